import { shake256 } from '@noble/hashes/sha3.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { newChain, seedOf, successor } from '@postern/node/testing';
import { generateMixKey } from '@postern/protocol/packet';
import { loadXWing } from '@postern/protocol/primitives';
import { systemRandom } from '@postern/runtime';
import { expect, test } from 'vitest';
import { cut, search } from './disk/search.ts';

const chance = (length: number): Buffer => Buffer.from(systemRandom.bytes(length));

async function* among(...parts: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  yield* cut(Buffer.concat(parts.map((part) => Buffer.from(part))));
}

test('a key is found in every form that it may have', async () => {
  const { seed, publicKey } = generateMixKey(systemRandom);
  const chain = newChain(7, systemRandom);
  const later = successor(successor(chain));
  const sought = [
    { name: 'drawn', publicKey, steps: 0 },
    { name: 'chained', publicKey: loadXWing(seedOf(later)).publicKey, steps: 2 },
  ];
  const both = shake256(seed, { dkLen: 64 });
  const found = async (...parts: readonly (Uint8Array | string)[]): Promise<string[]> => {
    const apart = parts.flatMap((part) => [chance(101), part]);
    const outcome = await search(among(...apart, chance(103)), sought);
    return outcome.found.map(({ name, form }) => `${name}: ${form}`).sort();
  };
  const { secretKey } = ml_kem768.keygen(both);
  expect(await found(seed, both.subarray(0, 32), secretKey, chain.key, later.key)).toEqual([
    'chained: chain key',
    'chained: chain key',
    'drawn: d',
    'drawn: seed',
    'drawn: vector',
  ]);
  expect(await found(seedOf(later), `\n${Buffer.from(seed).toString('hex')}\n`)).toEqual([
    'chained: seed',
    'drawn: seed',
  ]);
  expect(await found(`\n${Buffer.from(both.subarray(0, 32)).toString('base64')}\n`)).toEqual(['drawn: d']);
  // a chain leads to later keys alone
  const other = generateMixKey(systemRandom);
  expect(
    await found(successor(later).key, other.seed, publicKey, ml_kem768.keygen(chance(64)).secretKey),
  ).toEqual([]);
});

test('a chain key is found where it is stored, however few are tried elsewhere', async () => {
  const chain = newChain(7, systemRandom);
  const { publicKey } = loadXWing(seedOf(successor(successor(chain))));
  const lineage = Buffer.from(chain.lineage, 'hex');
  const sought = [{ name: 'chained', publicKey, steps: 2, lineage: chain.lineage }];
  const forms = async (...parts: readonly (Uint8Array | string)[]): Promise<string[]> => {
    const { found, behind } = await search(among(chance(101), ...parts, chance(101)), sought, {
      chainOneIn: 2 ** 40,
    });
    expect(behind).toBe(found.length);
    return found.map(({ form }) => form);
  };
  // also where the same bytes were seen before
  expect(await forms(chain.key, chance(99), lineage, chance(4), chain.key)).toEqual(['chain key']);
  // and where pieces meet
  const stored = Buffer.concat([lineage, chance(4), chain.key]);
  expect(await forms(Buffer.alloc(256 * 1024 - 101 - 18), stored)).toEqual(['chain key']);
  for (const before of ['', '7'])
    expect(await forms(`-${before}${stored.toString('hex')}`)).toEqual(['chain key']);
  expect(await forms(chain.key)).toEqual([]);
});

test('a key is found at every place, also where pieces meet', async () => {
  const border = 256 * 1024;
  const places = [0, border - 31, border - 1 + 32, border + 4_000];
  const keys = places.map((at) => ({ at, ...generateMixKey(systemRandom) }));
  const disk = Buffer.alloc(border + 4_032);
  for (const { at, seed } of keys) disk.set(seed, at);
  const sought = keys.map(({ at, publicKey }) => ({ name: `${at}`, publicKey, steps: 0 }));
  const { found } = await search(among(disk), sought);
  expect(new Set(found.map(({ name }) => Number(name)))).toEqual(new Set(places));
});
