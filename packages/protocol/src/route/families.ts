/**
 * How many members each family has in one layer. A member without a family belongs to none and conflicts with nobody; it
 * is counted in `total` alone.
 */
export interface Census {
  readonly total: number;
  readonly families: ReadonlyMap<string, number>;
}

/** How many ways lead through some layers with no two hops of one family, and with further families ruled out. */
export interface PathCounter {
  /** Paths through all these layers. */
  readonly all: bigint;
  /** Paths through all these layers that avoid one family. */
  without(family: string): bigint;
}

/**
 * Counts exactly, without walking the paths (spec route 3.2). Picks in which the layers of a set B agree on one family
 * number S(B) = Σ_f Π_{l∈B} n_l(f), and S({l}) = n_l; Möbius inversion over the partitions of the layers then leaves those
 * in which no two agree. Sets of layers are bit masks: the work is 3^layers, not members^layers.
 */
export function countPaths(layers: readonly Census[]): PathCounter {
  const agreeing = Array.from({ length: 1 << layers.length }, (_, mask) => {
    const chosen = layers.filter((_, layer) => mask & (1 << layer));
    const [first] = chosen;
    if (first === undefined) return 0n;
    if (chosen.length === 1) return BigInt(first.total);
    return [...first.families.keys()].reduce((sum, family) => sum + product(chosen, family), 0n);
  });
  return {
    all: invert(agreeing),
    without: (family) =>
      invert(
        agreeing.map((count, mask) =>
          mask === 0
            ? count
            : count -
              product(
                layers.filter((_, layer) => mask & (1 << layer)),
                family,
              ),
        ),
      ),
  };
}

/** The census without one family. */
export function withoutFamily({ total, families }: Census, family: string): Census {
  const left = new Map(families);
  left.delete(family);
  return { total: total - (families.get(family) ?? 0), families: left };
}

function product(layers: readonly Census[], family: string): bigint {
  return layers.reduce((ways, { families }) => ways * BigInt(families.get(family) ?? 0), 1n);
}

/** Paths(M) = Σ over the blocks B of M that hold its lowest layer: (−1)^(|B|−1) (|B|−1)! S(B) Paths(M∖B). */
function invert(agreeing: readonly bigint[]): bigint {
  const paths: bigint[] = [1n];
  for (let mask = 1; mask < agreeing.length; mask++) {
    const lowest = mask & -mask;
    let sum = 0n;
    for (let block = mask; block > 0; block = (block - 1) & mask) {
      if ((block & lowest) === 0) continue;
      sum += moebius(block) * (agreeing[block] ?? 0n) * (paths[mask ^ block] ?? 0n);
    }
    paths.push(sum);
  }
  return paths[agreeing.length - 1] ?? 1n;
}

function moebius(block: number): bigint {
  let result = 1n;
  for (let rest = block & (block - 1), size = 1n; rest > 0; rest &= rest - 1, size += 1n) result *= -size;
  return result;
}
