import { provider } from '#provider';

/** Chance, passed in. */
export interface Random {
  /** `length` uniformly distributed bytes, fresh at each call and the caller's own. */
  bytes(length: number): Uint8Array;
}

/** The operating system's generator. */
export const systemRandom: Random = { bytes: (length) => provider.randomBytes(length) };

const twoTo53 = 2 ** 53;

/** In [0, 1), a multiple of 2^-53. */
export function uniform(random: Random): number {
  return integer53(random) / twoTo53;
}

/** An integer in [0, bound), each as likely. `bound` is an integer from 1 to 2^53. */
export function below(random: Random, bound: number): number {
  if (!Number.isInteger(bound) || bound < 1 || bound > twoTo53)
    throw new RangeError(`no integer below ${bound}`);
  const limit = twoTo53 - (twoTo53 % bound);
  for (;;) {
    const candidate = integer53(random);
    if (candidate < limit) return candidate % bound;
  }
}

/** The items in an order of which each is as likely (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = below(random, last + 1);
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}

/** Exponentially distributed, in the unit of `mean`. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log1p(-uniform(random));
}

function integer53(random: Random): number {
  const [first = 0, ...rest] = random.bytes(7);
  return rest.reduce((value, byte) => value * 256 + byte, first & 31);
}
