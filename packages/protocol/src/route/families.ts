/**
 * How many members each family has in one layer, or the sum of their weights. A member without a family belongs to none and conflicts with nobody; it
 * is counted in `total` alone.
 */
export interface Census {
  readonly total: number;
  readonly families: ReadonlyMap<string, number>;
}

/** How many ways lead through some layers with no two hops of one family, or the sum of their weights. */
export interface PathCounter {
  /** All of them. */
  readonly all: bigint;
  /** Those that avoid one family. */
  without(family: string): bigint;
}

/**
 * Counts exactly, without walking the paths (spec route 3.2): the coefficient of x₁x₂…xₕ in the product over the families f of
 * (1 + Σ_l n_l(f)·x_l), where x_l² = 0. Leaving a family out divides by its factor.
 */
export function countPaths(layers: readonly Census[]): PathCounter {
  const families = new Set(layers.flatMap((layer) => [...layer.families.keys()]));
  const membersOf = (family: string): number[] => layers.map((layer) => layer.families.get(family) ?? 0);
  const product = alone(layers.map(withoutFamilies));
  for (const family of families) multiply(product, membersOf(family));
  return {
    all: product.at(-1) ?? 0n,
    without: (family) => divide(product, membersOf(family)).at(-1) ?? 0n,
  };
}

/** The census without one family. */
export function withoutFamily({ total, families }: Census, family: string): Census {
  const left = new Map(families);
  left.delete(family);
  return { total: total - (families.get(family) ?? 0), families: left };
}

function withoutFamilies({ total, families }: Census): number {
  return [...families.values()].reduce((left, members) => left - members, total);
}

/** A polynomial: the coefficient of each product of different x_l, at the index that has bit l set for each of them. */
type Polynomial = bigint[];

/** Π_l (1 + n_l·x_l): those without a family, each of whom is a family of one. */
function alone(members: readonly number[]): Polynomial {
  const product: Polynomial = [1n];
  for (const count of members) product.push(...product.map((coefficient) => coefficient * BigInt(count)));
  return product;
}

/** Times 1 + Σ_l n_l·x_l, in place: from the largest index down, so that each step reads old coefficients. */
function multiply(product: Polynomial, members: readonly number[]): void {
  for (let index = product.length - 1; index > 0; index--) {
    product[index] = (product[index] ?? 0n) + reached(product, members, index);
  }
}

/** The polynomial that `multiply` made this one from. */
function divide(product: Polynomial, members: readonly number[]): Polynomial {
  const quotient: Polynomial = [];
  for (const [index, coefficient] of product.entries()) {
    quotient.push(coefficient - reached(quotient, members, index));
  }
  return quotient;
}

/** Σ_l n_l times the coefficient one x_l below `index`. */
function reached(from: Polynomial, members: readonly number[], index: number): bigint {
  return members.reduce((sum, count, layer) => {
    const bit = 1 << layer;
    return index & bit && count > 0 ? sum + BigInt(count) * (from[index ^ bit] ?? 0n) : sum;
  }, 0n);
}
