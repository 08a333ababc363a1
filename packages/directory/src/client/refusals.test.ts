import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatVerifierKey } from '@postern/protocol/codec';
import { seeded, testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { consensusOf, openBench, post, register } from '../testing/authorities.ts';
import { epochSeconds } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import {
  askedOf,
  documentOf,
  epochOf,
  type Library,
  mirror,
  openLibrary,
  others,
  ours,
} from '../testing/readers.ts';
import { text } from '../testing/servers.ts';
import type { DirectoryClientOptions } from './client.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

/** What a cache holds of documents in use: certificates, and proofs against authorities, are kept whatever came of those. */
async function remembered(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => !['certificates', 'fork', 'lock'].includes(name));
}

describe('A2 refuses', () => {
  const signedOnce = documentOf(epoch);
  const elsewhere = documentOf(epoch, { epochSeconds: 1_800, epoch: 2_000 }).replaceAll(
    '"hops":3',
    '"hops":4',
  );
  const table: [string, string, string][] = [
    [
      'bad-signature',
      'a document that was altered',
      signedOnce.replace('"meanDelayMs":200', '"meanDelayMs":201'),
    ],
    ['bad-signature', 'a document with other hops than were signed', elsewhere],
    ['too-few-signatures', 'a document of another authority', documentOf(epoch, {}, [others])],
    [
      'too-few-signatures',
      'a document by a key that our authority has not certified',
      documentOf(epoch, {}, [testAuthority(ours.name, { now: ours.signingKey.validAfter, generation: 2 })]),
    ],
    ['malformed', 'garbage', 'garbage'],
    ['malformed', 'nothing', ''],
    ['malformed', 'a document cut short', signedOnce.slice(0, -1)],
    ['oversized', 'more than any document', 'x'.repeat(5_000_000)],
    ['not-yet-valid', 'a document of a later epoch', documentOf(epoch + 1)],
    ['stale', 'a document that has expired', documentOf(epoch - 3)],
  ];
  test.each(table)('as %s %s', async (code, _, document) => {
    const server = await library.serving(mirror(document));
    const error = await library
      .client([server.url])
      .current()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'DirectoryError', code, hint: expect.stringMatching(/\.$/) });
    expect(await remembered(join(library.folder, 'cache'))).toEqual([]);
  });

  test('an older document than one seen before, after a restart too', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await library.client([server.url]).current();
    server.answer = mirror(documentOf(epoch - 1));
    const restarted = library.client([server.url]);
    await expect(restarted.refresh()).rejects.toMatchObject({ code: 'rollback' });
    expect(await epochOf(restarted)).toBe(epoch);
    await rm(join(library.folder, 'cache', 'consensus'));
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'rollback' });
  });

  test('a second document for an epoch, even while the first is valid, after a restart too', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await library.client([server.url]).current();
    server.answer = mirror(documentOf(epoch, { meanDelayMs: 300 }));
    await expect(library.client([server.url]).refresh()).rejects.toMatchObject({ code: 'fork' });
    library.clock.moveTo((epoch + 1) * hour);
    const good = await library.serving(mirror(documentOf(epoch + 1)));
    for (const random of [seeded('1'), seeded('2')])
      await expect(library.client([server.url, good.url], { random }).refresh()).rejects.toMatchObject({
        code: 'fork',
      });
    expect(askedOf(good)).toBe(0);
  });

  test('a second document for an epoch instead of falling back on the first', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch, { meanDelayMs: 300 }));
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
  });

  test.each([
    ['of one epoch', epoch - 1, epoch - 1],
    ['of one epoch, a third being fresh', epoch - 1, epoch - 1, epoch],
    ['of which the second does not follow on the first', epoch - 2, epoch - 1],
  ])('two documents %s, from two mirrors in one round', async (_, first, second, third?: number) => {
    const other = documentOf(second, {
      meanDelayMs: 300,
      ...(second > first && { previous: 'f'.repeat(64) }),
    });
    const one = await library.serving(mirror(documentOf(first)));
    const two = await library.serving(mirror(other));
    const fresh = third === undefined ? [] : [await library.serving(mirror(documentOf(third)))];
    const urls = [one, two, ...fresh].map(({ url }) => url);
    for (let round = 0; round < 8; round++) {
      one.requests.length = 0;
      two.requests.length = 0;
      const cacheDir = join(library.folder, `cache ${round}`);
      const fetched = library.client(urls, { cacheDir, random: seeded(`round ${round}`) }).current();
      const outcome = await fetched.catch((error: unknown) => error);
      if (one.requests.length === 0 || two.requests.length === 0) continue;
      expect(outcome).toMatchObject({ name: 'DirectoryError', code: 'fork' });
      expect(String(outcome)).toMatch(/epoch \d+.* was seen before, from http/);
      expect(await remembered(cacheDir)).toEqual([]);
      if (round > 3) return;
    }
    throw new Error('no round met both');
  });

  test('an older document than the one cached, when it ended between caching and remembering', async () => {
    const server = await library.serving(mirror(documentOf(epoch - 1)));
    const folder = join(library.folder, 'cache');
    await library.client([server.url]).current();
    await writeFile(join(folder, `consensus-${epoch - 1}`), documentOf(epoch - 1));
    await writeFile(join(folder, 'consensus'), documentOf(epoch));
    const requests = server.requests.length;
    expect(await epochOf(library.client([server.url]))).toBe(epoch);
    expect(server.requests.length).toBe(requests);
    expect(await readFile(join(folder, 'seen'), 'utf8')).toMatch(new RegExp(`^${epoch} `));
    expect(await readFile(join(folder, `consensus-${epoch - 1}`), 'utf8')).toBe(documentOf(epoch - 1));
    await expect(library.client([server.url]).refresh()).rejects.toMatchObject({ code: 'rollback' });
  });

  test('the one cached while the log between it and the one remembered is not to be had', async () => {
    const server = await library.serving(mirror(documentOf(epoch - 2)));
    await library.client([server.url]).current();
    await writeFile(join(library.folder, 'cache', 'consensus'), documentOf(epoch));
    server.answer = text('', 500);
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'unreachable' });
    server.answer = mirror(documentOf(epoch));
    const asked = askedOf(server);
    expect(await epochOf(library.client([server.url]))).toBe(epoch);
    expect(askedOf(server)).toBe(asked);
  });

  test('a damaged memory, rather than forget what it has seen', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await library.client([server.url]).current();
    await writeFile(join(library.folder, 'cache', 'seen'), '');
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'wrong-cache' });
  });

  test('a cached document that was altered, and fetches', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await library.client([server.url]).current();
    const altered = documentOf(epoch).replace('"meanDelayMs":200', '"meanDelayMs":300');
    await writeFile(join(library.folder, 'cache', 'consensus'), altered);
    expect((await library.client([server.url]).current()).consensus.meanDelayMs).toBe(200);
    expect(askedOf(server)).toBe(2);
  });

  test('a cached document that authorities have signed beside the one that it remembers, as a fork', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await library.client([server.url]).current();
    await writeFile(join(library.folder, 'cache', 'consensus'), documentOf(epoch, { meanDelayMs: 300 }));
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'fork' });
  });

  test('to go on when it cannot remember', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    await writeFile(join(library.folder, 'file'), '');
    await expect(
      library.client([server.url], { cacheDir: join(library.folder, 'file', 'x') }).current(),
    ).rejects.toMatchObject({
      code: 'wrong-cache',
    });
    const client = library.client([server.url]);
    await client.current();
    await chmod(join(library.folder, 'cache'), 0o755);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = mirror(documentOf(epoch + 1));
    await expect(client.current()).rejects.toMatchObject({ code: 'wrong-cache' });
    await chmod(join(library.folder, 'cache'), 0o700);
    expect(await epochOf(client)).toBe(epoch + 1);
  });

  test('to follow a redirect', async () => {
    const good = await library.serving(mirror(documentOf(epoch)));
    const server = await library.serving((_request, response) =>
      response.writeHead(302, { location: `${good.url}/v1/consensus` }).end(),
    );
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'unreachable' });
    expect(askedOf(good)).toBe(0);
  });

  test('to wait for ever, or to read for ever', async () => {
    const silent = await library.serving(() => {});
    await expect(library.client([silent.url], { timeoutMs: 100 }).current()).rejects.toThrow(
      'no answer within 100 ms',
    );
    let sent = 0;
    const endless = await library.serving((_request, response) => {
      const more = (): void => {
        while (!response.destroyed) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536, 'x'))) return;
        }
      };
      response.on('drain', more);
      more();
    });
    await expect(library.client([endless.url]).current()).rejects.toMatchObject({ code: 'oversized' });
    expect(sent).toBeLessThan(32_000_000);
  });

  test('to go on after its signal', async () => {
    const silent = await library.serving(() => stop.abort());
    const stop = new AbortController();
    await expect(library.client([silent.url], { signal: stop.signal }).current()).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  test('a descriptor that its node did not sign: no consensus has it', async () => {
    await using bench = await openBench();
    const authority = await bench.run();
    const nowMs = bench.clock.now();
    const forged = [
      signedNode('mix4.test', nowMs).replace('mix4.test', 'mix5.test'),
      signedNode('mix4.test', nowMs).replace('"port":2525', '"port":2526'),
      signedNode('mix1.test', nowMs, {}, 'another key'),
    ];
    await register(authority, nowMs, 'mix1.test', 'mix2.test');
    for (const text of forged) expect((await post(authority, text)).status).not.toBe(202);
    await register(authority, nowMs, 'mix3.test');
    const { consensus } = await consensusOf(authority, nowMs);
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual(['mix1.test', 'mix2.test', 'mix3.test']);
    expect(new Set(consensus.nodes.map(({ smtp }) => smtp.port))).toEqual(new Set([2525]));
  });
});

describe('a configuration is wrong with', () => {
  const good = { urls: ['http://a.test'], authorities: [ours.vkey], threshold: 1 };
  test.each<[string, Partial<DirectoryClientOptions>]>([
    ['no URL', { urls: [] }],
    ['a URL of another scheme', { urls: ['file:///etc/passwd'] }],
    ['a URL that is none', { urls: ['a.test'] }],
    ['a password in a URL', { urls: ['http://u:p@a.test'] }],
    ['a query in a URL', { urls: ['http://a.test/?reader=17'] }],
    ['no authority', { authorities: [] }],
    ['a key that is none', { authorities: ['x'] }],
    [
      'an Ed25519 key',
      { authorities: [formatVerifierKey(ours.name, Uint8Array.of(1, ...new Uint8Array(32).fill(7)))] },
    ],
    [
      'a key of an unknown algorithm',
      { authorities: [formatVerifierKey(ours.name, Uint8Array.of(2, ...new Uint8Array(32).fill(7)))] },
    ],
    ['a threshold of none', { threshold: 0 }],
    ['a threshold that nobody can meet', { threshold: 2 }],
    ['one authority listed twice to meet it', { authorities: [ours.vkey, ours.vkey], threshold: 2 }],
  ])('%s', (_, change) => {
    expect(() => library.client(good.urls, { ...good, ...change })).toThrow(
      expect.objectContaining({ code: 'wrong-configuration', exitCode: 78 }),
    );
  });

  test('nothing, when it is right', () => {
    expect(() => library.client(good.urls, good)).not.toThrow();
  });
});
