import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Agenda,
  formatAuthorityKey,
  signConsensus,
  signParameters,
  tabulate,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { ed25519 } from '@postern/protocol/primitives';
import { silentLog, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAuthority } from '../authority.ts';
import {
  configFor,
  epochSeconds,
  FakeClock,
  keepingLog,
  seeded,
  serve,
  signedNode,
  start,
  type TestServer,
  text,
} from '../testing.ts';
import { createDirectoryClient, type DirectoryClient, type DirectoryClientOptions } from './client.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const ours = { name: 'authority1.test', seed: seeded('ours').bytes(32) };
const others = { name: 'authority2.test', seed: seeded('others').bytes(32) };
const vkeyOf = ({ name, seed }: typeof ours): string => formatAuthorityKey(name, ed25519.publicKey(seed));

let folder = '';
let clock = new FakeClock();
let open: AsyncDisposable[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-directory-'));
  clock = new FakeClock();
  open = [];
});
afterEach(async () => {
  await Promise.all(open.map((one) => one[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true });
});

/** The consensus of an epoch, as our authority signs it. */
function documentOf(at: number, change: Partial<Agenda> = {}, signers = [ours]): string {
  const agenda: Agenda = {
    epoch: at,
    epochSeconds,
    geometry: defaultGeometry,
    meanDelayMs: 200,
    shared: seeded(`shared ${at}`).bytes(32),
    previous: '',
    revoked: [],
    ...change,
  };
  return signConsensus(tabulate([], agenda), signers);
}

async function serving(answer: Parameters<typeof serve>[0]): Promise<TestServer> {
  const server = await serve(answer);
  open.push(server);
  return server;
}

/** A URL at which nothing listens. */
async function deadUrl(): Promise<string> {
  const server = await serve(text(''));
  await server[Symbol.asyncDispose]();
  return server.url;
}

function clientOf(urls: readonly string[], change: Partial<DirectoryClientOptions> = {}): DirectoryClient {
  return createDirectoryClient({
    urls,
    authorities: [vkeyOf(ours)],
    threshold: 1,
    cacheDir: join(folder, 'cache'),
    clock,
    timeoutMs: 5_000,
    ...change,
  });
}

const epochOf = async (client: DirectoryClient): Promise<number> => (await client.current()).consensus.epoch;

describe('with an authority', () => {
  test('publishes, and fetches what comes of it', async () => {
    const config = configFor(join(folder, 'authority'), { bootstrap: { nodes: 2 } });
    const authority = await startAuthority(config, { clock, random: systemRandom, log: silentLog });
    open.push(authority);
    const client = clientOf([`${authority.url}/`], { authorities: [authority.vkey] });

    await expect(client.current()).rejects.toMatchObject({ code: 'no-consensus', exitCode: 75 });
    expect(await client.parameters()).toEqual({ epochSeconds, meanDelayMs: 200, geometry: defaultGeometry });
    await client.publish(signedNode('mix1.test', start));
    expect(await client.publish(signedNode('mix2.test', start))).toEqual({
      accepted: [authority.url],
      failed: [],
    });

    const { consensus, geometry, digest } = await client.current();
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual(['mix1.test', 'mix2.test']);
    expect(geometry).toEqual(defaultGeometry);
    expect(digest).toBe(authority.status().consensus?.digest);
    await expect(client.publish(signedNode('mix1.test', start, {}, 'another key'))).rejects.toMatchObject({
      code: 'not-published',
      message: expect.stringContaining('answered 409 (the name mix1.test belongs to another node)'),
    });
  });
});

describe('current', () => {
  test('fetches once while the consensus is fresh, and at once when it no longer is', async () => {
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url]);
    expect([await epochOf(client), await epochOf(client)]).toEqual([epoch, epoch]);
    expect(server.requests).toHaveLength(1);
    clock.moveTo((epoch + 1) * hour - 1);
    expect(await epochOf(client)).toBe(epoch);
    clock.moveTo((epoch + 1) * hour);
    server.answer = text(documentOf(epoch + 1));
    expect(await epochOf(client)).toBe(epoch + 1);
    expect(server.requests).toHaveLength(2);
  });

  test('fetches once for many that ask together', async () => {
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.current()));
    expect(new Set(answers.map(({ digest }) => digest)).size).toBe(1);
    expect(server.requests).toHaveLength(1);
  });

  test('uses the disk while it is fresh, without asking', async () => {
    const server = await serving(text(documentOf(epoch)));
    await clientOf([server.url]).current();
    expect(await epochOf(clientOf([await deadUrl()]))).toBe(epoch);
    expect((await readdir(join(folder, 'cache'))).sort()).toEqual(['consensus', 'seen']);
    expect(await readFile(join(folder, 'cache', 'consensus'), 'utf8')).toBe(documentOf(epoch));
  });

  test('falls back on the valid one in an outage, asks again after a while, and fails when it has expired', async () => {
    const { log, lines } = keepingLog();
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url], { log });
    await client.current();
    server.answer = text('down', 500);
    clock.moveTo((epoch + 1) * hour);
    expect([await epochOf(client), await epochOf(client)]).toEqual([epoch, epoch]);
    expect(server.requests).toHaveLength(2);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', event: 'consensus not renewed' }));
    clock.advance(30_000);
    expect(await epochOf(client)).toBe(epoch);
    expect(server.requests).toHaveLength(3);
    clock.moveTo((epoch + 3) * hour - 1);
    expect(await epochOf(client)).toBe(epoch);
    clock.moveTo((epoch + 3) * hour);
    await expect(client.current()).rejects.toMatchObject({
      code: 'stale',
      message: expect.stringMatching(/answered 500.*it was valid until 1970-02-11T19:00:00.000Z/),
      hint: expect.stringContaining('clock'),
    });
    server.answer = text(documentOf(epoch + 3));
    expect(await epochOf(client)).toBe(epoch + 3);
  });

  test('does not ask without end for what is still the newest', async () => {
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url]);
    clock.moveTo((epoch + 1) * hour);
    expect([await epochOf(client), await epochOf(client), await epochOf(client)]).toEqual([
      epoch,
      epoch,
      epoch,
    ]);
    expect(server.requests).toHaveLength(1);
  });

  test('takes over what another process has fetched', async () => {
    const server = await serving(text(documentOf(epoch)));
    const one = clientOf([server.url]);
    const two = clientOf([server.url]);
    expect([await epochOf(one), await epochOf(two)]).toEqual([epoch, epoch]);
    clock.moveTo((epoch + 1) * hour);
    server.answer = text(documentOf(epoch + 1));
    expect([await epochOf(one), await epochOf(two)]).toEqual([epoch + 1, epoch + 1]);
    expect(server.requests).toHaveLength(2);
  });
});

describe('refresh', () => {
  test('asks though the consensus is fresh, and throws though one is at hand', async () => {
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url]);
    await client.current();
    await client.refresh();
    expect(server.requests).toHaveLength(2);
    server.answer = text('down', 500);
    await expect(client.refresh()).rejects.toMatchObject({ code: 'unreachable' });
    expect(await epochOf(client)).toBe(epoch);
  });
});

describe('several URLs', () => {
  test('one dead, one with an old document, one with garbage: the good one is found, in whatever order', async () => {
    const good = await serving(text(documentOf(epoch)));
    const old = await serving(text(documentOf(epoch - 5)));
    const garbage = await serving(text('garbage'));
    const urls = [await deadUrl(), old.url, garbage.url, good.url];
    for (let round = 0; round < 8; round++) {
      const client = clientOf(urls, {
        cacheDir: join(folder, `cache ${round}`),
        random: seeded(`round ${round}`),
      });
      expect(await epochOf(client)).toBe(epoch);
    }
    // orders differ, so that some rounds met the others first
    expect(old.requests.length).toBeGreaterThan(0);
    expect(garbage.requests.length).toBeGreaterThan(0);
    expect(old.requests.length + garbage.requests.length).toBeLessThan(16);
  });

  test('a valid one that is no longer fresh is taken only when nobody has a fresh one', async () => {
    const late = await serving(text(documentOf(epoch - 1)));
    const good = await serving(text(documentOf(epoch)));
    for (let round = 0; round < 6; round++) {
      const options = { cacheDir: join(folder, `cache ${round}`), random: seeded(`round ${round}`) };
      expect(await epochOf(clientOf([late.url, good.url], options))).toBe(epoch);
    }
    expect(late.requests.length).toBeGreaterThan(0);
    expect(await epochOf(clientOf([late.url, await deadUrl()]))).toBe(epoch - 1);
  });

  test('when all fail, the error tells of each and is coded by the most telling', async () => {
    const old = await serving(text(documentOf(epoch - 5)));
    const garbage = await serving(text('garbage'));
    const dead = await deadUrl();
    const failing = clientOf([dead, old.url, garbage.url]).current();
    await expect(failing).rejects.toMatchObject({ code: 'stale' });
    await expect(failing).rejects.toThrow(`${dead}: unreachable (ECONNREFUSED)`);
    await expect(failing).rejects.toThrow(`${garbage.url}: it is no signed note`);
    await expect(failing).rejects.toThrow(`${old.url}: it was valid until`);
  });
});

describe('refuses', () => {
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
    ['malformed', 'garbage', 'garbage'],
    ['malformed', 'nothing', ''],
    ['malformed', 'a document cut short', signedOnce.slice(0, -1)],
    ['oversized', 'more than any document', 'x'.repeat(5_000_000)],
    ['not-yet-valid', 'a document of a later epoch', documentOf(epoch + 1)],
    ['stale', 'a document that has expired', documentOf(epoch - 3)],
  ];
  test.each(table)('as %s %s', async (code, _, document) => {
    const server = await serving(text(document));
    const error = await clientOf([server.url])
      .current()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'DirectoryError', code, hint: expect.stringMatching(/\.$/) });
    await expect(readdir(join(folder, 'cache'))).rejects.toThrow('ENOENT');
  });

  test('one authority signing twice where two are needed', async () => {
    const server = await serving(text(documentOf(epoch, {}, [ours, ours])));
    const options = { authorities: [vkeyOf(ours), vkeyOf(others)], threshold: 2 };
    await expect(clientOf([server.url], options).current()).rejects.toMatchObject({
      code: 'too-few-signatures',
    });
    server.answer = text(documentOf(epoch, {}, [ours, others]));
    expect(await epochOf(clientOf([server.url], options))).toBe(epoch);
  });

  test('an older document than one seen before, after a restart too', async () => {
    const server = await serving(text(documentOf(epoch)));
    await clientOf([server.url]).current();
    server.answer = text(documentOf(epoch - 1));
    const restarted = clientOf([server.url]);
    await expect(restarted.refresh()).rejects.toMatchObject({ code: 'rollback' });
    expect(await epochOf(restarted)).toBe(epoch);
    await rm(join(folder, 'cache', 'consensus'));
    await expect(clientOf([server.url]).current()).rejects.toMatchObject({ code: 'rollback' });
  });

  test('a second document for an epoch, even while the first is valid, after a restart too', async () => {
    const server = await serving(text(documentOf(epoch)));
    await clientOf([server.url]).current();
    server.answer = text(documentOf(epoch, { meanDelayMs: 300 }));
    await expect(clientOf([server.url]).refresh()).rejects.toMatchObject({ code: 'fork' });
    clock.moveTo((epoch + 1) * hour);
    const good = await serving(text(documentOf(epoch + 1)));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, round) =>
        clientOf([server.url, good.url], { random: seeded(`${round}`) }).refresh(),
      ),
    );
    const codes = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [(one.reason as { code: string }).code] : [],
    );
    expect(codes).toContain('fork');
  });

  test('a damaged memory, rather than forget what it has seen', async () => {
    const server = await serving(text(documentOf(epoch)));
    await clientOf([server.url]).current();
    await writeFile(join(folder, 'cache', 'seen'), '');
    await expect(clientOf([server.url]).current()).rejects.toMatchObject({ code: 'wrong-cache' });
  });

  test('a cached document that was altered, and fetches', async () => {
    const server = await serving(text(documentOf(epoch)));
    await clientOf([server.url]).current();
    await writeFile(join(folder, 'cache', 'consensus'), documentOf(epoch, { meanDelayMs: 300 }));
    expect((await clientOf([server.url]).current()).consensus.meanDelayMs).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  test('to go on when it cannot remember', async () => {
    const server = await serving(text(documentOf(epoch)));
    await writeFile(join(folder, 'file'), '');
    await expect(
      clientOf([server.url], { cacheDir: join(folder, 'file', 'x') }).current(),
    ).rejects.toMatchObject({
      code: 'wrong-cache',
    });
  });

  test('to follow a redirect', async () => {
    const good = await serving(text(documentOf(epoch)));
    const server = await serving((_request, response) =>
      response.writeHead(302, { location: `${good.url}/v1/consensus` }).end(),
    );
    await expect(clientOf([server.url]).current()).rejects.toMatchObject({ code: 'unreachable' });
    expect(good.requests).toHaveLength(0);
  });

  test('to wait for ever, or to read for ever', async () => {
    const silent = await serving(() => {});
    await expect(clientOf([silent.url], { timeoutMs: 100 }).current()).rejects.toThrow(
      'no answer within 100 ms',
    );
    let sent = 0;
    const endless = await serving((_request, response) => {
      const more = (): void => {
        while (!response.destroyed) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536, 'x'))) return;
        }
      };
      response.on('drain', more);
      more();
    });
    await expect(clientOf([endless.url]).current()).rejects.toMatchObject({ code: 'oversized' });
    expect(sent).toBeLessThan(32_000_000);
  });

  test('to go on after its signal', async () => {
    const silent = await serving(() => stop.abort());
    const stop = new AbortController();
    await expect(clientOf([silent.url], { signal: stop.signal }).current()).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('a request', () => {
  test('carries nothing that tells one reader from another', async () => {
    const server = await serving((_request, response) =>
      response.writeHead(200, { etag: '"reader 17"', 'set-cookie': 'reader=17' }).end(documentOf(epoch)),
    );
    const client = clientOf([server.url]);
    await client.current();
    await client.refresh();
    const [first, second] = server.requests.map(({ method, url, headers }) => {
      const { host, connection, ...rest } = headers;
      expect([host, connection]).toEqual([new URL(server.url).host, 'keep-alive']);
      return { method, url, rest };
    });
    expect(first).toEqual({
      method: 'GET',
      url: '/v1/consensus',
      rest: {
        accept: '*/*',
        'accept-encoding': expect.any(String),
        'accept-language': '*',
        'sec-fetch-mode': 'cors',
        'user-agent': 'postern',
      },
    });
    const tag = `"${createHash('sha256').update(documentOf(epoch)).digest('hex')}"`;
    const conditional = { 'if-none-match': tag, 'cache-control': 'no-cache', pragma: 'no-cache' };
    expect(second?.rest).toEqual({ ...first?.rest, ...conditional });
  });

  test('is answered by 304 when nothing has changed', async () => {
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url]);
    const before = await client.current();
    server.answer = (_request, response) => response.writeHead(304).end();
    expect(await client.refresh()).toEqual(before);
  });

  test('unasked, 304 is no answer', async () => {
    const server = await serving((_request, response) => response.writeHead(304).end());
    await expect(clientOf([server.url]).current()).rejects.toMatchObject({ code: 'unreachable' });
  });
});

describe('publish', () => {
  test('posts to all, and is content with one', async () => {
    const good = await serving(text('{}', 202));
    const bad = await serving(text('{"error":"full","message":"full\\u001b[31m"}', 503));
    const dead = await deadUrl();
    const { accepted, failed } = await clientOf([dead, bad.url, good.url]).publish('descriptor');
    expect(accepted).toEqual([good.url]);
    expect(failed.map(({ url, detail }) => [url, detail])).toEqual([
      [dead, 'unreachable (ECONNREFUSED)'],
      [bad.url, 'answered 503 (full?[31m)'],
    ]);
    expect(good.requests[0]).toMatchObject({
      method: 'POST',
      url: '/v1/descriptors',
      headers: { 'content-type': 'text/plain' },
    });
  });

  test('fails when nobody accepts, and says why for each', async () => {
    const bad = await serving(text('<html>', 500));
    const dead = await deadUrl();
    await expect(clientOf([dead, bad.url]).publish('descriptor')).rejects.toMatchObject({
      code: 'not-published',
      message: `no directory took the descriptor: ${dead}: unreachable (ECONNREFUSED); ${bad.url}: answered 500`,
    });
  });
});

describe('parameters', () => {
  const signedParameters = (signer: typeof ours): string =>
    signParameters(
      { version: 1, epochSeconds: 60, meanDelayMs: 5, geometry: writeGeometry(defaultGeometry) },
      [signer],
    );

  test('come from the first URL whose signature holds', async () => {
    const bad = await serving(text(signedParameters(others)));
    const good = await serving(text(signedParameters(ours)));
    expect(await clientOf([bad.url, good.url]).parameters()).toMatchObject({
      epochSeconds: 60,
      meanDelayMs: 5,
    });
    await expect(clientOf([bad.url]).parameters()).rejects.toMatchObject({ code: 'too-few-signatures' });
  });

  test('come from the consensus once there is one', async () => {
    const server = await serving(text(documentOf(epoch)));
    const client = clientOf([server.url]);
    await client.current();
    server.answer = text('down', 500);
    expect(await client.parameters()).toEqual({ epochSeconds, meanDelayMs: 200, geometry: defaultGeometry });
  });
});

describe('a configuration is wrong with', () => {
  const good = { urls: ['http://a.test'], authorities: [vkeyOf(ours)], threshold: 1 };
  test.each<[string, Partial<DirectoryClientOptions>]>([
    ['no URL', { urls: [] }],
    ['a URL of another scheme', { urls: ['file:///etc/passwd'] }],
    ['a URL that is none', { urls: ['a.test'] }],
    ['a password in a URL', { urls: ['http://u:p@a.test'] }],
    ['a query in a URL', { urls: ['http://a.test/?reader=17'] }],
    ['no authority', { authorities: [] }],
    ['a key that is none', { authorities: ['x'] }],
    ['a key of an unknown algorithm', { authorities: [vkeyOf(ours).replace(/\+A[Q-Za-f]/, '+Ag')] }],
    ['a threshold of none', { threshold: 0 }],
    ['a threshold that nobody can meet', { threshold: 2 }],
    ['one authority listed twice to meet it', { authorities: [vkeyOf(ours), vkeyOf(ours)], threshold: 2 }],
  ])('%s', (_, change) => {
    expect(() => clientOf(good.urls, { ...good, ...change })).toThrow(
      expect.objectContaining({ code: 'wrong-configuration', exitCode: 78 }),
    );
  });

  test('nothing, when it is right', () => {
    expect(() => clientOf(good.urls, good)).not.toThrow();
  });
});
