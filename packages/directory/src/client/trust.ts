import type { AuthorityKey } from '@postern/protocol/consensus';

/** Whom a reader believes, as it is configured (spec consensus 2.4). */
export interface Trusted {
  /** Verifier keys: `name+keyid+base64`. */
  readonly authorities: readonly string[];
  /** How many authorities must have signed. */
  readonly threshold: number;
}

/** The same while not all of it is known to hold. */
type Listed = Pick<Trusted, 'threshold'> & { readonly authorities: readonly (string | undefined)[] };

/** The least number of authorities whose signatures no two documents can have apart: more than half. */
export function majority(authorities: Listed['authorities']): number {
  return Math.floor(countOf(authorities) / 2) + 1;
}

/** What is wrong with a threshold, said to whoever wrote it; undefined when it is one that holds. What is no authority's key counts as one that is listed once. */
export function thresholdMistake({ authorities, threshold }: Listed): string | undefined {
  const count = countOf(authorities);
  const least = majority(authorities);
  if (threshold > count) return `is more than the ${count} authorities listed`;
  if (threshold < least)
    return `is no majority of the ${count} authorities: so few could sign two consensuses apart; write ${least} or more, or leave it out`;
  return undefined;
}

/** Where a key stands again that stands before it, whatever name it has there, and what is said of that to whoever wrote it. */
export function repeatedKeys(authorities: readonly (AuthorityKey | undefined)[]): RepeatedKey[] {
  return authorities.flatMap((one, at) => {
    const before = one && authorities.slice(0, at).find((other) => other && isSameKey(other, one));
    if (before === undefined) return [];
    const message =
      before.name === one?.name
        ? `is a second one of ${before.name}; list each authority once`
        : `is the key of ${before.name} as well; each authority has its own`;
    return [{ at, message }];
  });
}

export interface RepeatedKey {
  /** Its place in the list. */
  readonly at: number;
  readonly message: string;
}

export function isSameKey(one: AuthorityKey, other: AuthorityKey): boolean {
  return Buffer.from(one.identity).equals(other.identity);
}

/** An authority counts once, however many keys it has. */
function countOf(authorities: Listed['authorities']): number {
  return new Set(authorities.map((vkey, at) => vkey?.split('+')[0] ?? at)).size;
}
