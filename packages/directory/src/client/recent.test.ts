import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, consensusOf, openBench, post } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import { documentOf, type Library, mirror, openLibrary } from '../testing/readers.ts';
import { createDirectoryClient, type DirectoryClient } from './client.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

describe('recent consensuses', () => {
  let library: Library;
  beforeEach(async () => {
    library = await openLibrary();
  });
  afterEach(() => library[Symbol.asyncDispose]());

  /** Has the cache take the consensuses of some epochs, one after the other, each by a client of its own. */
  const take = async (...epochs: number[]): Promise<DirectoryClient> => {
    for (const at of epochs) {
      library.clock.moveTo(at * hour + 1);
      const server = await library.serving(mirror(documentOf(at)));
      await library.client([server.url]).refresh();
    }
    return library.client(['http://127.0.0.1:1']);
  };
  const epochsOf = (client: DirectoryClient): number[] => client.recent().map((one) => one.epoch);
  const cache = (): string => join(library.folder, 'cache');

  test('are those taken before the newest one, in earlier runs too, as long as mixes hold their keys', async () => {
    expect(epochsOf(await take())).toEqual([]);
    expect(epochsOf(await take(epoch))).toEqual([]);
    expect(epochsOf(await take(epoch + 1, epoch + 2))).toEqual([epoch + 1, epoch]);
    const client = await take(epoch + 3, epoch + 4, epoch + 5);
    expect(epochsOf(client)).toEqual([epoch + 4, epoch + 3, epoch + 2]);
    expect((await readdir(cache())).filter((name) => name.startsWith('consensus')).sort()).toEqual([
      'consensus',
      ...[2, 3, 4].map((at) => `consensus-${epoch + at}`),
    ]);
    library.clock.moveTo((epoch + 7) * hour);
    expect(epochsOf(client)).toEqual([epoch + 4]);
  });

  test('are left out when somebody has changed them on disk', async () => {
    await take(epoch, epoch + 1);
    await writeFile(
      join(cache(), `consensus-${epoch}`),
      documentOf(epoch).replace('"meanDelayMs":200', '"meanDelayMs":0'),
    );
    expect(epochsOf(await take())).toEqual([]);
  });
});

describe('a node that was not drawn', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await openBench();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  test('is shown to be counted, by a proof that holds for this consensus and this node', async () => {
    const authority = await bench.run({ width: { least: 1, most: 1 }, bootstrap: { nodes: 5 } });
    const ids: string[] = [];
    for (let at = 0; at < 5; at++)
      ids.push((await post(authority, signedNode(`mix${at}.test`, bench.clock.now()))).id ?? '');
    const client = createDirectoryClient({
      urls: [authority.url],
      authorities: [authority.vkey],
      threshold: 1,
      cacheDir: join(bench.folder, 'cache'),
      clock: bench.clock,
    });
    const held = await client.current();
    expect((await consensusOf(authority, start)).digest).toBe(held.digest);
    const drawn = held.consensus.nodes.map(({ id }) => id);
    for (const id of ids) expect(await client.counted(id, held)).toBe(!drawn.includes(id));
    expect(await client.counted('ab'.repeat(32), held)).toBe(false);
    const left = ids.find((id) => !drawn.includes(id)) ?? '';
    expect(await client.counted(left, { ...held, digest: 'cd'.repeat(32) })).toBe(false);
    const rest = { ...held.consensus.rest, root: 'ef'.repeat(32) };
    expect(await client.counted(left, { ...held, consensus: { ...held.consensus, rest } })).toBe(false);
  });
});
