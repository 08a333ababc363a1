import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  applyDiff,
  signOutage,
  signParameters,
  verifyCheckpoint,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { silentLog } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DirectoryClient, DirectoryClientOptions } from '../client/client.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { epochOf, type Library, openLibrary, others, ours } from '../testing/readers.ts';
import { type TestServer, text } from '../testing/servers.ts';
import { type Mirror, startMirror } from './mirror.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
/** Enough that stays the same for diffs to be worth while. */
const revoked = Array.from({ length: 90 }, (_, at) => `${100 + at}`.padStart(64, 'a'));
const two = { authorities: [ours.vkey, others.vkey], threshold: 2 };
const trust = { authorities: [ours.key, others.key], signingKeys: [ours.signingKey, others.signingKey] };
const parameters = signParameters(
  { version: 1, epochSeconds, meanDelayMs: 200, geometry: writeGeometry(defaultGeometry) },
  [ours, others],
);

let library: Library;
let chain: Chain;
let server: TestServer;
beforeEach(async () => {
  library = await openLibrary();
  chain = createChain([ours, others]);
  chain.fill(700);
  for (let at = epoch - 3; at <= epoch; at++) chain.issue(at, { revoked });
  server = await library.serving(asAuthority());
});
afterEach(() => library[Symbol.asyncDispose]());

const asAuthority = (): TestServer['answer'] => (request, response) =>
  (request.url === '/v1/parameters' ? text(parameters) : chain.serve())(request, response);

/** A reader who serves what it has. */
async function mirroring(
  change: Partial<DirectoryClientOptions> = {},
): Promise<{ mirror: Mirror; client: DirectoryClient; lines: ReturnType<typeof keepingLog>['lines'] }> {
  const { log, lines } = keepingLog();
  const client = library.client([server.url], { ...two, ...change });
  const mirror = await startMirror({
    listen: { host: '127.0.0.1', port: 0 },
    directory: client,
    clock: library.clock,
    log,
  });
  library.add(mirror);
  return { mirror, client, lines };
}
const readerOf = (...urls: string[]): DirectoryClient =>
  library.client(urls, { ...two, cacheDir: join(library.folder, 'reader') });
const get = async ({ url }: Mirror, path: string, headers = {}): Promise<Response> =>
  fetch(`${url}${path}`, { headers });

describe('a mirror', () => {
  test('gives readers all that an authority gives them, from what it follows itself', async () => {
    const { mirror, client, lines } = await mirroring();
    await client.current();
    await mirror.update();
    server.answer = text('', 500);
    const reader = readerOf(mirror.url);
    expect(await reader.parameters()).toMatchObject({ epochSeconds, meanDelayMs: 200 });
    expect((await reader.current()).digest).toBe((await client.current()).digest);
    expect(lines).toEqual([]);
    // the tiles that the reader has fetched for its memory are those of the authority
    expect(await readFile(join(library.folder, 'reader', 'seen'), 'utf8')).toBe(
      await readFile(join(library.folder, 'cache', 'seen'), 'utf8'),
    );
    const checkpoint = verifyCheckpoint(await (await get(mirror, '/v1/log/checkpoint')).text(), {
      ...trust,
      now: start / 1_000,
    });
    expect(checkpoint).toMatchObject({ kind: 'checkpoint', head: chain.log.head() });
    for (const path of ['0/000', '0/001', '0/002.p/192', '1/000.p/2', 'entries/001', 'entries/002.p/192']) {
      const served = new Uint8Array(await (await get(mirror, `/v1/log/tile/${path}`)).arrayBuffer());
      const [level = '', index = ''] = path.split('/');
      const width = Number(path.split('.p/')[1] ?? 256);
      const name = {
        level: level === 'entries' ? ('entries' as const) : Number(level),
        index: Number(index.slice(0, 3)),
        width,
      };
      expect(served).toEqual(new Uint8Array(chain.log.tile(name) ?? []));
    }
    expect((await get(mirror, '/v1/log/tile/0/002.p/193')).status).toBe(404);
  });

  test('goes on with what is taken, serves the next one before its epoch, and diffs between those that it has', async () => {
    const { mirror, client } = await mirroring();
    await client.renew();
    await mirror.update();
    const digests: string[] = [];
    for (let at = epoch + 1; at < epoch + 4; at++) {
      library.clock.moveTo(client.renewAt());
      const signed = chain.issue(at, { revoked });
      await client.renew();
      // fetched ahead: for those who ask for it by its epoch alone
      expect(await (await get(mirror, `/v1/consensus/${at}`)).text()).toBe(signed);
      expect(await (await get(mirror, '/v1/consensus')).text()).toBe(chain.documents.get(at - 1));
      expect((await get(mirror, `/v1/consensus/${at}`)).headers.get('cache-control')).toBe(
        'public, max-age=60',
      );
      library.clock.moveTo(at * hour);
      await client.renew();
      await mirror.update();
      digests.push(chain.leaves.at(-1)?.digest ?? '');
      const { headers } = await get(mirror, '/v1/consensus');
      expect(headers.get('cache-control')).toBe(`public, max-age=${epochSeconds}`);
    }
    expect(await epochOf(readerOf(mirror.url))).toBe(epoch + 3);
    const answer = await get(mirror, `/v1/consensus/${epoch + 3}/diff/${digests[1]}`);
    const base = chain.documents.get(epoch + 2) ?? '';
    expect(applyDiff(base, await answer.text())).toBe(chain.documents.get(epoch + 3));
    // of those before it has as many as diffs may start from, expired ones as well
    const statuses = await Promise.all(
      [epoch - 1, epoch, epoch + 1].map(async (at) => (await get(mirror, `/v1/consensus/${at}`)).status),
    );
    expect(statuses).toEqual([404, 200, 200]);
  });

  test('is brought up to date once more, however often that is asked for while it is under way', async () => {
    const held: (() => void)[] = [];
    const asked = Promise.withResolvers<void>();
    const { mirror, client } = await mirroring();
    await client.current();
    const rest = server.answer;
    server.answer = (request, response) => {
      if (request.url !== '/v1/parameters') return rest(request, response);
      held.push(() => rest(request, response));
      if (held.length === 1) asked.resolve();
      else held.at(-1)?.();
    };
    const first = mirror.update();
    await asked.promise;
    const more = Array.from({ length: 5 }, () => mirror.update());
    held[0]?.();
    await Promise.all([first, ...more]);
    expect(held).toHaveLength(2);
    await mirror.update();
    expect(held).toHaveLength(3);
  });

  test('gives notices of outages that count, and asks for them no more often than a reader does', async () => {
    const down = ['a'.repeat(64)];
    const notices = [ours, others].map((by) =>
      signOutage({ version: 1, epoch, authority: by.name, at: start / 1_000, down }, by),
    );
    const rest = asAuthority();
    server.answer = (request, response) =>
      (request.url === '/v1/outages' ? text(JSON.stringify(['x', ...notices])) : rest)(request, response);
    const { mirror, client } = await mirroring();
    await client.current();
    await mirror.update();
    for (let call = 0; call < 2; call++)
      expect(await (await get(mirror, '/v1/outages')).json()).toEqual(notices);
    expect(server.requests.filter(({ url }) => url === '/v1/outages')).toHaveLength(1);
    const reader = readerOf(mirror.url);
    expect(await reader.out(await reader.current())).toEqual(down);
  });

  test('serves nothing that is not to be used', async () => {
    const { mirror, client } = await mirroring();
    const status = async (): Promise<number> => (await get(mirror, '/v1/consensus')).status;
    expect(await status()).toBe(503);
    await mirror.update();
    expect(await status()).toBe(503);
    await client.current();
    expect(await status()).toBe(200);
    library.clock.moveTo((epoch + 3) * hour);
    expect(await status()).toBe(503);
    // by its epoch whoever was told of another one may hold it against that
    expect(await (await get(mirror, `/v1/consensus/${epoch}`)).text()).toBe(chain.documents.get(epoch));
    library.clock.moveTo(start);
    const other = chain.branch();
    other.issue(epoch + 1);
    const branch = createChain([ours, others], { leaves: chain.leaves.slice(0, -1), documents: new Map() });
    branch.issue(epoch, { meanDelayMs: 7 });
    server.answer = branch.serve();
    await expect(client.refresh()).rejects.toMatchObject({ code: 'fork' });
    expect(await status()).toBe(503);
    expect((await get(mirror, `/v1/consensus/${epoch}`)).status).toBe(404);
  });

  test('takes the log from whoever has the one that the consensus names, and no other', async () => {
    const lying = await library.serving((request, response) => {
      const url = request.url ?? '';
      if (!url.includes('entries')) return chain.serve()(request, response);
      const other = createChain([ours], {
        leaves: [{ epoch: 1, digest: 'ab'.repeat(32) }, ...chain.leaves],
        documents: new Map(),
      });
      return other.serve()(request, response);
    });
    const both = { urls: [lying.url, server.url] };
    const { mirror, client, lines } = await mirroring(both);
    await client.current();
    await mirror.update();
    expect(lines).toEqual([]);
    expect((await get(mirror, '/v1/log/tile/0/002.p/192')).status).toBe(200);

    const alone = await mirroring({ urls: [lying.url], cacheDir: join(library.folder, 'alone') });
    await alone.client.current();
    await alone.mirror.update();
    expect(alone.lines).toContainEqual(
      expect.objectContaining({ event: expect.stringContaining('the log is not mirrored') }),
    );
    expect((await get(alone.mirror, '/v1/log/tile/0/000')).status).toBe(404);
    expect((await get(alone.mirror, '/v1/log/checkpoint')).status).toBe(503);
    expect((await get(alone.mirror, '/v1/consensus')).status).toBe(200);
  });

  test('takes nothing, and says what there is', async () => {
    const { mirror } = await mirroring();
    for (const path of ['/v1/descriptors', '/v1/agreement/votes'])
      expect((await fetch(`${mirror.url}${path}`, { method: 'POST', body: 'x' })).status).toBe(404);
    const { paths, info } = (await (await get(mirror, '/openapi.json')).json()) as {
      paths: Record<string, object>;
      info: { title: string };
    };
    expect(info.title).toBe('Postern mirror');
    expect(Object.values(paths).flatMap((one) => Object.keys(one))).toEqual(
      Object.keys(paths).map(() => 'get'),
    );
  });

  test('says at start that its address is in use', async () => {
    const { mirror } = await mirroring();
    const { hostname: host, port } = new URL(mirror.url);
    const again = startMirror({
      listen: { host, port: Number(port) },
      directory: library.client([server.url], two),
      clock: library.clock,
      log: silentLog,
    });
    await expect(again).rejects.toThrow('cannot be mirrored');
  });
});
