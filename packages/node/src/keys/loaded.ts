import type { Generation, Ring } from './ring.ts';

export type Loaded<T> = Generation & { readonly value: T };

/** One before the present one that cannot be read, and why. */
export type Unread = Generation & { readonly error: unknown };

export interface LoadedRing<T> {
  readonly keys: Ring<Loaded<T>>;
  /** Those of the ring that `keys` lacks. */
  readonly unread: readonly Unread[];
}

/**
 * Reads the files of a ring's keys; those that are in `held` already are taken from there. Throws what `load` throws for the one in
 * force or the next: without one before them a node and its commands go on.
 */
export async function loadRing<T>(
  { next, current, previous }: Ring,
  load: (dir: string) => Promise<T>,
  held: readonly Loaded<T>[] = [],
): Promise<LoadedRing<T>> {
  const read = async (one: Generation): Promise<Loaded<T>> => {
    const had = held.find(({ dir }) => dir === one.dir);
    return { ...one, value: had === undefined ? await load(one.dir) : had.value };
  };
  const before = await loadBefore(previous, read);
  return {
    keys: { next: next && (await read(next)), current: await read(current), previous: before.keys },
    unread: before.unread,
  };
}

/** Those before the present one, as far as they can be read. */
export async function loadBefore<T>(
  previous: Ring['previous'],
  read: (one: Generation) => Promise<Loaded<T>>,
): Promise<{ readonly keys: readonly Loaded<T>[]; readonly unread: readonly Unread[] }> {
  const before = await Promise.all(
    previous.map(
      (one): Promise<Loaded<T> | Unread> => read(one).catch((error: unknown) => ({ ...one, error })),
    ),
  );
  return {
    keys: before.filter((one) => 'value' in one),
    unread: before.filter((one) => 'error' in one),
  };
}

/** In the order in which others are told of them: the one in force, the next one, those before. */
export function inOrder<T>({ current, next, previous }: Ring<T>): T[] {
  return [current, ...(next === undefined ? [] : [next]), ...previous];
}
