import { readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { formatTileName, headOf, parseRange, parseTileName, type TileName } from '@postern/protocol/log';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { epochOf, type Library, openLibrary, ours } from '../testing/readers.ts';
import type { TestServer } from '../testing/servers.ts';
import { edgeOf, neededTiles } from './tiles.ts';

const hour = epochSeconds * 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const memory = (): Promise<string> => readFile(join(library.folder, 'cache', 'seen'), 'utf8');
const tilesAsked = ({ requests }: TestServer): string[] =>
  requests.flatMap(({ url = '' }) => url.split('/v1/log/tile/')[1] ?? []).sort();

/** A chain of as many consensuses, of which the last is of this epoch and has a document. */
function chainOf(size: number, epoch = 1_000): Chain {
  const chain = createChain([ours]);
  chain.fill(size - 1);
  chain.issue(epoch);
  return chain;
}

/** A server of what a chain has issued, and a client that has taken it. */
async function reading(chain: Chain): Promise<TestServer> {
  const server = await library.serving(chain.serve());
  await library.client([server.url]).current();
  server.requests.length = 0;
  return server;
}

/** The next consensus, an hour later or more. */
function goOn(chain: Chain, epoch: number): void {
  chain.issue(epoch);
  library.clock.moveTo(epoch * hour);
}

describe('the consensus right after the one that was seen', () => {
  test('is tied to it without a tile, however many epochs later', async () => {
    const chain = chainOf(300);
    const server = await reading(chain);
    for (const epoch of [1_001, 1_002, 1_050]) {
      goOn(chain, epoch);
      server.answer = chain.serve();
      expect(await epochOf(library.client([server.url]))).toBe(epoch);
    }
    expect(tilesAsked(server)).toEqual([]);
    const [, epoch, digest, range = ''] = /^(\d+) (\w+) (.+)\n$/.exec(await memory()) ?? [];
    expect({ epoch: Number(epoch), digest }).toEqual(chain.leaves.at(-1));
    expect(headOf(parseRange(range) ?? { size: 0, hashes: [] })).toEqual(chain.log.head());
  });

  test('is a fork when it names another log', async () => {
    const chain = chainOf(300);
    const server = await reading(chain);
    const before = await memory();
    const { size } = chain.log.head();
    chain.issue(1_001, { log: { size, root: 'ab'.repeat(32) } });
    library.clock.moveTo(1_001 * hour);
    server.answer = chain.serve();
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'fork' });
    expect(await memory()).toBe(before);
  });
});

describe('after a gap', () => {
  test.each([2, 3, 255, 256, 257, 300])('of %i, the tiles tie it to the one that was seen', async (gap) => {
    const chain = chainOf(255);
    const server = await reading(chain);
    chain.fill(gap - 1);
    goOn(chain, 1_000 + gap);
    server.answer = chain.serve();
    expect(await epochOf(library.client([server.url]))).toBe(1_000 + gap);
    expect(tilesAsked(server)).not.toEqual([]);
    const [, , ...range] = (await memory()).trimEnd().split(' ');
    expect(headOf(parseRange(range.join(' ')) ?? { size: 0, hashes: [] })).toEqual(chain.log.head());
  });

  const forks: [string, (seen: Chain) => Chain][] = [
    ['another consensus in the place of the one that was seen', () => chainOf(299)],
    [
      'a history that left the one that was seen before it',
      (seen) => {
        const other = createChain([ours], { leaves: seen.leaves.slice(0, 250), documents: new Map() });
        other.fill(60);
        return other;
      },
    ],
    ['fewer consensuses than were seen', () => chainOf(200)],
  ];
  test.each(forks)('a log with %s is a fork, and nothing is taken', async (_, of) => {
    const chain = chainOf(300);
    const server = await reading(chain);
    const before = await memory();
    const other = of(chain);
    other.fill(3);
    goOn(other, 1_100);
    server.answer = other.serve();
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'fork' });
    expect(await memory()).toBe(before);
    server.answer = chain.serve();
    library.clock.moveTo(1_000 * hour);
    await expect(library.client([server.url]).current()).rejects.toMatchObject({ code: 'fork' });
    await rm(join(library.folder, 'cache', 'fork'));
    expect(await epochOf(library.client([server.url]))).toBe(1_000);
  });

  const answers: [string, (chain: Chain) => RequestListener, RegExp][] = [
    ['is not there', () => (_, response) => response.writeHead(404).end(), /answered 404 for tile 0\/000/],
    ['fails', () => (_, response) => response.writeHead(500).end(), /answered 500/],
    ['breaks off', () => (request) => request.socket.destroy(), /is not to be had: unreachable/],
    ['is cut short', (chain) => changed(chain, (tile) => tile.subarray(1)), /has a tile .* that is none/],
    [
      'is too long',
      (chain) => changed(chain, (tile) => Buffer.concat([tile, tile])),
      /has a tile .* that is none/,
    ],
    ['never ends', (chain) => changed(chain, () => Buffer.alloc(1_000_000)), /has a tile .* that is none/],
    ['is empty', (chain) => changed(chain, () => Buffer.alloc(0)), /has a tile .* that is none/],
    [
      'has a hash that was altered',
      (chain) => changed(chain, flipped),
      /is not the log that the consensus names/,
    ],
    [
      'is another one',
      () => {
        const other = createChain([ours]);
        other.fill(304);
        return (_, response) => response.end(other.log.tile({ level: 0, index: 0, width: 256 }));
      },
      /has a tile .* that is none|is not the log/,
    ],
  ];
  test.each(answers)(
    'a log that %s is an error of its own, another mirror’s does',
    async (_, answer, says) => {
      const chain = chainOf(300);
      const server = await reading(chain);
      const before = await memory();
      chain.fill(2);
      goOn(chain, 1_003);
      const tiles = answer(chain);
      server.answer = (request, response) =>
        (request.url?.includes('/tile/') ? tiles : chain.serve())(request, response);
      await expect(library.client([server.url]).current()).rejects.toMatchObject({
        code: 'log-unavailable',
        exitCode: 75,
        message: expect.stringMatching(says),
      });
      expect(await memory()).toBe(before);
      const good = await library.serving(chain.serve());
      expect(await epochOf(library.client([server.url, good.url]))).toBe(1_003);
    },
  );

  test('a tile that is not the one that the tile above it names does not make a good log a fork', async () => {
    const chain = chainOf(200);
    const server = await reading(chain);
    chain.fill(101);
    goOn(chain, 1_102);
    const good = chain.serve();
    const altered = changed(chain, (tile, { level }) => (level === 0 ? flipped(tile) : tile));
    server.answer = (request, response) =>
      (request.url?.endsWith('/tile/0/000') ? altered : good)(request, response);
    await expect(library.client([server.url]).current()).rejects.toMatchObject({
      code: 'log-unavailable',
      message: expect.stringContaining('is not the log that the consensus names'),
    });
    const honest = await library.serving(good);
    expect(await epochOf(library.client([server.url, honest.url]))).toBe(1_102);
  });

  test('goes on with the one at hand while it is valid and the log is not to be had', async () => {
    const chain = chainOf(300);
    const server = await reading(chain);
    chain.fill(1);
    goOn(chain, 1_002);
    server.answer = (request, response) =>
      request.url?.includes('/tile/') ? response.writeHead(503).end() : chain.serve()(request, response);
    const { log, lines } = keepingLog();
    expect(await epochOf(library.client([server.url], { log }))).toBe(1_000);
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: { why: 'log-unavailable', epoch: 1_000 } }),
    );
  });

  test('a copy that has the full tile alone will do', async () => {
    const chain = chainOf(100);
    const server = await reading(chain);
    chain.fill(50);
    goOn(chain, 1_100);
    const signed = chain.serve();
    chain.fill(200);
    server.answer = (request, response) => {
      if (request.url?.endsWith('.p/150')) return response.writeHead(404).end();
      return signed(request, response);
    };
    expect(await epochOf(library.client([server.url]))).toBe(1_100);
    expect(tilesAsked(server)).toEqual(['0/000', '0/000.p/150']);
  });
});

/** A chain's tiles, changed. */
function changed(
  chain: Chain,
  change: (tile: Buffer, name: { readonly level: number; readonly index: number }) => Buffer,
): RequestListener {
  return ({ url = '' }, response) => {
    const name = parseTileName(url.split('/v1/log/tile/')[1] ?? '');
    const tile = name && chain.log.tile(name);
    response.writeHead(tile === undefined ? 404 : 200);
    response.end(tile && change(Buffer.from(tile), { ...name, level: Number(name.level) }));
  };
}

/** With another first bit. */
function flipped(tile: Buffer): Buffer {
  return Buffer.concat([Buffer.of((tile[0] ?? 0) ^ 0x80), tile.subarray(1)]);
}

describe('what is fetched after a gap', () => {
  const bytesOf = (names: readonly TileName[]): number =>
    names.reduce((sum, { width }) => sum + 32 * width, 0);

  test('is the same for all who know one of the last 2,048, or none, and everything for who knows an older one', async () => {
    const chain = createChain([ours]);
    chain.issue(0);
    const issue = (size: number): number => {
      chain.fill(size - 1 - chain.leaves.length);
      const epoch = size - 1;
      goOn(chain, epoch);
      return epoch;
    };
    const folderOf = (size: number): string => join(library.folder, `reader ${size}`);
    const server = await library.serving(chain.serve());
    for (const size of [768, 769, 2_000, 2_998]) {
      issue(size);
      server.answer = chain.serve();
      await library.client([server.url], { cacheDir: folderOf(size) }).current();
    }
    const epoch = issue(3_001);
    server.answer = chain.serve();
    const asked: string[] = [];
    for (const size of [769, 2_000, 2_998, 0, 768]) {
      server.requests.length = 0;
      expect(await epochOf(library.client([server.url], { cacheDir: folderOf(size) }))).toBe(epoch);
      asked.push(tilesAsked(server).join(' '));
    }
    const edge = neededTiles(3_000, edgeOf(3_000)).map(formatTileName).sort().join(' ');
    const whole = neededTiles(3_000, 0).map(formatTileName).sort().join(' ');
    expect(asked).toEqual([edge, edge, edge, edge, whole]);
    expect(edge).toBe('0/003 0/004 0/005 0/006 0/007 0/008 0/009 0/010 0/011.p/184 1/000.p/11');
  });

  test('is nothing of a log that would fill the memory', async () => {
    const chain = createChain([ours]);
    chain.issue(1_000);
    const server = await reading(chain);
    const epoch = 8_000_000;
    const log = { size: 2 ** 22 + 1, root: 'ab'.repeat(32) };
    library.clock.moveTo(epoch * 1_000);
    server.answer = chain.serve(chain.issue(epoch, { epochSeconds: 1, log }));
    await expect(library.client([server.url]).current()).rejects.toMatchObject({
      code: 'log-unavailable',
      message: expect.stringContaining('its log is too long to be fetched'),
    });
    expect(tilesAsked(server)).toEqual([]);
  });

  test('is 70 kB of ten years of hours, 2.8 MB for the whole', () => {
    const years = 87_600;
    const [edge, whole] = [edgeOf(years), 0].map((from) => neededTiles(years, from));
    expect([edge?.length, bytesOf(edge ?? [])]).toEqual([11, 69_856]);
    expect([whole?.length, bytesOf(whole ?? [])]).toEqual([346, 2_814_176]);
  });
});
