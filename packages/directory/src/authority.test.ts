import { cp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { verifyDescriptor } from '@postern/protocol/consensus';
import { mixKey, testAuthority } from '@postern/protocol/testing';
import { systemRandom } from '@postern/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Bench, consensusOf, get, issued, openBench, post, register } from './testing/authorities.ts';
import { epochSeconds, start } from './testing/clock.ts';
import { keepingLog } from './testing/log.ts';
import { signedGateway, signedNode } from './testing/nodes.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

describe('an authority', () => {
  test('issues the first consensus as soon as enough nodes have registered', async () => {
    const authority = await bench.run({ bootstrap: { nodes: 4 } });
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    expect(await get(authority, '/v1/consensus')).toMatchObject({ status: 503 });
    expect(
      await post(authority, signedGateway('gateway.b.test', bench.clock.now(), ['b.test'])),
    ).toMatchObject({
      status: 202,
    });
    const { consensus, signedBy } = await consensusOf(authority, bench.clock.now());
    expect(consensus).toMatchObject({ epoch, epochSeconds, previous: '', meanDelayMs: 200 });
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual([
      'gateway.b.test',
      'mix1.test',
      'mix2.test',
      'mix3.test',
    ]);
    expect(signedBy).toEqual(['authority1.test']);
  });

  test('issues another at every epoch’s start, chained to the one before, and keeps them all', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const first = await consensusOf(authority, bench.clock.now());
    await register(authority, bench.clock.now(), 'mix4.test');
    expect(authority.status().consensus?.digest).toBe(first.digest);
    bench.clock.moveTo((epoch + 1) * hour - 1);
    expect(authority.status().consensus?.epoch).toBe(epoch);
    bench.clock.moveTo((epoch + 1) * hour);
    await issued(authority, epoch + 1);
    const second = await consensusOf(authority, bench.clock.now());
    expect(second.consensus.previous).toBe(first.digest);
    expect(second.consensus.nodes).toHaveLength(4);
    expect(second.consensus.shared).not.toBe(first.consensus.shared);
    expect((await consensusOf(authority, bench.clock.now(), `/v1/consensus/${epoch}`)).text).toBe(first.text);
    expect((await consensusOf(authority, bench.clock.now(), `/v1/consensus/${epoch + 1}`)).text).toBe(
      second.text,
    );
  });

  test('leaves out epochs that it slept through', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const { digest } = await consensusOf(authority, bench.clock.now());
    bench.clock.moveTo((epoch + 5) * hour + 1);
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    expect((await consensusOf(authority, bench.clock.now())).consensus).toMatchObject({
      epoch: epoch + 5,
      previous: digest,
    });
    expect(await get(authority, `/v1/consensus/${epoch + 1}`)).toMatchObject({ status: 404 });
  });

  test('issues nothing while its clock is behind the last consensus', async () => {
    const { log, lines } = keepingLog();
    const authority = await bench.run({}, { log });
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    bench.clock.moveTo(start - hour);
    expect(await post(authority, signedNode('mix4.test', bench.clock.now()))).toMatchObject({ status: 202 });
    expect(authority.status()).toMatchObject({ epoch: epoch - 1, consensus: { epoch } });
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'consensus held up' }));
  });

  test('tries again soon when a consensus cannot be made', async () => {
    const { log, lines } = keepingLog();
    let broken = false;
    const random = {
      bytes(length: number): Uint8Array {
        if (broken) throw new Error('no chance');
        return systemRandom.bytes(length);
      },
    };
    const failures = (): number => lines.filter(({ event }) => event === 'consensus not issued').length;
    const authority = await bench.run({}, { log, random });
    broken = true;
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    await vi.waitFor(() => expect(failures()).toBe(2));
    expect(authority.status().consensus).toBeUndefined();
    bench.clock.advance(5_000);
    await vi.waitFor(() => expect(failures()).toBe(3));
    broken = false;
    bench.clock.advance(5_000);
    await issued(authority, epoch);
    expect(authority.status().counters.consensus).toEqual({ issued: 1, failed: 3 });
  });

  test('issues what it has signed once the store takes it', async () => {
    const { log, lines } = keepingLog();
    const first = await bench.run();
    await first.close();
    const database = new DatabaseSync(join(bench.folder, 'authority.sqlite'));
    database.exec(`CREATE TABLE fuse (failures INTEGER); INSERT INTO fuse VALUES (2);
      CREATE TRIGGER no_room BEFORE INSERT ON consensus WHEN (SELECT failures FROM fuse) > 0 BEGIN
        UPDATE fuse SET failures = failures - 1;
        SELECT RAISE(FAIL, 'no room');
      END`);
    database.close();
    const authority = await bench.run({}, { log });
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const failures = (): number => lines.filter(({ event }) => event === 'consensus not issued').length;
    await vi.waitFor(() => expect(failures()).toBe(2));
    bench.clock.advance(5_000);
    await issued(authority, epoch);
  });

  test('forgets a node after thirty days of silence, and frees its name', async () => {
    const authority = await bench.run({ epoch: '1d' });
    const day = 24 * hour;
    const mixes = ['mix1.test', 'mix2.test', 'mix3.test'];
    const keysFrom = (at: number): object => ({
      mixKeys: [0, 1, 2].map((ahead) => ({ epoch: Math.floor(at / day) + ahead, key: mixKey })),
    });
    const announce = async (): Promise<void> => {
      for (const name of mixes) {
        const now = bench.clock.now();
        expect(await post(authority, signedNode(name, now, keysFrom(now)))).toMatchObject({ status: 202 });
      }
    };
    const other = (): string => signedNode('silent.test', bench.clock.now(), {}, 'another key');
    expect(await post(authority, signedNode('silent.test', bench.clock.now()))).toMatchObject({
      status: 202,
    });
    await announce();
    expect(await post(authority, other())).toMatchObject({ status: 409, error: 'name-taken' });
    for (let passed = 1; passed <= 31; passed++) {
      bench.clock.advance(day);
      await announce();
      await issued(authority, Math.floor(bench.clock.now() / day));
    }
    expect(authority.status().registered).toBe(3);
    expect(await post(authority, other())).toMatchObject({ status: 202 });
  });

  test('says nothing of who asks, in log or metrics', async () => {
    const { log, lines } = keepingLog();
    const authority = await bench.run({}, { log });
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    await get(authority, '/v1/consensus');
    await post(authority, 'x');
    const port = new URL(authority.url).port;
    const said = JSON.stringify(lines.filter(({ event }) => event !== 'serving')) + authority.metrics();
    expect(said).not.toMatch(/127\.0\.0\.1|::1/);
    expect(said).not.toContain(port);
    expect(said).toContain('outcome=\\"malformed\\"'.replaceAll('\\', ''));
  });
});

describe('after a restart', () => {
  test('serves what it had and signs no second document for the epoch', async () => {
    const before = await bench.run();
    await register(before, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const { text, digest } = await consensusOf(before, bench.clock.now());
    await register(before, bench.clock.now(), 'mix4.test');
    expect(before.status().counters.consensus).toEqual({ issued: 1, failed: 0 });
    await before.close();

    const after = await bench.run();
    expect(after.vkey).toBe(before.vkey);
    expect(await get(after, '/v1/consensus')).toMatchObject({ status: 200, text });
    await register(after, bench.clock.now(), 'mix5.test');
    expect(await get(after, '/v1/consensus')).toMatchObject({ text });
    bench.clock.moveTo((epoch + 1) * hour);
    await issued(after, epoch + 1);
    const next = await consensusOf(after, bench.clock.now());
    expect(next.consensus.previous).toBe(digest);
    expect(next.consensus.nodes.map(({ name }) => name).sort()).toEqual(
      [1, 2, 3, 4, 5].map((n) => `mix${n}.test`),
    );
  });

  test('goes on from the newest of many', async () => {
    const before = await bench.run();
    await register(before, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    for (const next of [epoch + 1, epoch + 2]) {
      bench.clock.moveTo(next * hour);
      await issued(before, next);
    }
    const { text } = await consensusOf(before, bench.clock.now());
    await before.close();
    const after = await bench.run();
    expect(await get(after, '/v1/consensus')).toMatchObject({ status: 200, text });
    expect(after.status().consensus?.epoch).toBe(epoch + 2);
  });

  test('makes up for the epoch that began meanwhile', async () => {
    const before = await bench.run();
    await register(before, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    await before.close();
    bench.clock.advance(hour);
    const after = await bench.run();
    await issued(after, epoch + 1);
    expect(after.status().registered).toBe(3);
  });

  test('drops nodes that have been revoked, and frees their names', async () => {
    const before = await bench.run();
    await register(before, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const verified = verifyDescriptor(signedNode('mix1.test', bench.clock.now()));
    const id = verified.kind === 'descriptor' ? verified.id : '';
    await before.close();
    bench.clock.advance(hour);
    const after = await bench.run({ revoked: [id] });
    expect(await post(after, signedNode('mix1.test', bench.clock.now()))).toMatchObject({
      status: 403,
      error: 'revoked',
    });
    expect(after.status().consensus?.epoch).toBe(epoch);
    expect(await post(after, signedNode('mix1.test', bench.clock.now(), {}, 'a new key'))).toMatchObject({
      status: 202,
    });
    const { consensus } = await consensusOf(after, bench.clock.now());
    expect(consensus.revoked).toEqual([id]);
    expect(consensus.nodes).toHaveLength(3);
    expect(consensus.nodes.map((node) => node.id)).not.toContain(id);
  });
});

describe('the data directory', () => {
  /** Of an authority that has issued a consensus, and has ended. */
  let ended: Bench;
  beforeAll(async () => {
    ended = await openBench();
    const authority = await ended.run();
    await register(authority, ended.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    await issued(authority, epoch);
    await authority.close();
  });
  afterAll(() => ended[Symbol.asyncDispose]());

  const signing = (): string => join(bench.folder, 'signing');
  const signingFile = async (kind: string): Promise<string> => {
    const name = (await readdir(signing())).find((one) => one.endsWith(`.${kind}`));
    return join(signing(), name ?? '');
  };

  test('keeps keys for its owner alone', async () => {
    await bench.run();
    for (const path of [join(bench.folder, 'identity.key'), await signingFile('key')])
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(signing())).mode & 0o777).toBe(0o700);
  });

  test('needs no identity key there', async () => {
    const before = await bench.run();
    await before.close();
    await rm(join(bench.folder, 'identity.key'));
    const after = await bench.run();
    await register(after, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    expect(after.vkey).toBe(before.vkey);
    expect(after.status().consensus?.epoch).toBe(epoch);
  });

  test('serves one authority at a time', async () => {
    await bench.run();
    await expect(bench.run()).rejects.toMatchObject({ code: 'in-use', exitCode: 75 });
  });

  test.each([
    ['without its verifier key', 'no-key', {}, (): Promise<void> => rm(join(bench.folder, 'authority.vkey'))],
    [
      'with a damaged verifier key',
      'wrong-key',
      {},
      (): Promise<void> => writeFile(join(bench.folder, 'authority.vkey'), 'x'),
    ],
    [
      'with another verifier key',
      'wrong-key',
      {},
      (): Promise<void> =>
        writeFile(join(bench.folder, 'authority.vkey'), testAuthority('authority1.test', { seed: 'x' }).vkey),
    ],
    ['without signing keys', 'no-key', {}, (): Promise<void> => rm(signing(), { recursive: true })],
    [
      'with a damaged signing key',
      'wrong-key',
      {},
      async (): Promise<void> => writeFile(await signingFile('key'), 'x'),
    ],
    [
      'with another signing key',
      'wrong-key',
      {},
      async (): Promise<void> => writeFile(await signingFile('key'), `${'A'.repeat(86)}==\n`),
    ],
    [
      'with a damaged certificate',
      'wrong-key',
      {},
      async (): Promise<void> => writeFile(await signingFile('certificate'), 'x'),
    ],
    ['under another name', 'wrong-key', { name: 'authority2.test' }, async (): Promise<void> => {}],
    ['with another epoch length', 'wrong-epoch', { epoch: '30m' }, async (): Promise<void> => {}],
    ['with almost the same epoch length', 'wrong-epoch', { epoch: '3601s' }, async (): Promise<void> => {}],
  ])('%s stops the authority: %s', async (_, code, change, harm) => {
    await cp(ended.folder, bench.folder, { recursive: true });
    await harm();
    await expect(bench.run(change)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });
});

test('ends with its signal, and answers no more', async () => {
  const stop = new AbortController();
  const authority = await bench.run({}, { signal: stop.signal });
  expect(await get(authority, '/health')).toMatchObject({ status: 200 });
  stop.abort();
  await authority.close();
  await expect(get(authority, '/health')).rejects.toThrow('fetch failed');
  const again = await bench.run();
  expect(again.vkey).toBe(authority.vkey);
});
