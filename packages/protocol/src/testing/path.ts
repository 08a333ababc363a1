import type { Geometry } from '../packet/geometry.ts';
import type { Hop } from '../packet/header.ts';
import { generateMixKey, loadMixKey, type MixKey } from '../packet/mixkey.ts';
import { type Peeled, peel } from '../packet/peel.ts';

/** A path of fresh mixes with all their keys. */
export interface TestPath {
  readonly epoch: number;
  readonly hops: readonly Hop[];
  readonly seeds: readonly Uint8Array[];
  readonly keys: readonly MixKey[];
}

export function testPath(g: Geometry, epoch = 77): TestPath {
  const pairs = Array.from({ length: g.hops }, () => generateMixKey());
  const hops = pairs.map(({ publicKey }, i) => ({
    nodeId: new Uint8Array(32).fill(i + 1),
    mixKey: publicKey,
    delayMs: 10 * (i + 1),
  }));
  const seeds = pairs.map(({ seed }) => seed);
  return {
    epoch,
    hops,
    seeds,
    keys: hops.map(({ nodeId }, i) => loadMixKey(at(seeds, i), nodeId, epoch, g)),
  };
}

/** Peels at each hop from the given one on, until something is not relayed: what each hop made of it. */
export function walk(g: Geometry, path: TestPath, packet: Uint8Array, firstHop = 0): Peeled[] {
  const peeled = peel(g, at(path.keys, firstHop), packet);
  const rest = peeled.kind === 'relay' ? walk(g, path, peeled.packet, firstHop + 1) : [];
  return [peeled, ...rest];
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

export function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`nothing at ${index}`);
  return value;
}
