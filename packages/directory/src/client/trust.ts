/** Whom a reader believes, as it is configured (spec consensus 2.4). */
export interface Trusted {
  /** Verifier keys: `name+keyid+base64`. */
  readonly authorities: readonly string[];
  /** How many authorities must have signed. */
  readonly threshold: number;
}

/** The least number of authorities whose signatures no two documents can have apart: more than half. */
export function majority(authorities: readonly string[]): number {
  return Math.floor(countOf(authorities) / 2) + 1;
}

/** What is wrong with a threshold, said to whoever wrote it; undefined when it is one that holds. */
export function thresholdMistake({ authorities, threshold }: Trusted): string | undefined {
  const count = countOf(authorities);
  const least = majority(authorities);
  if (threshold > count) return `is more than the ${count} authorities listed`;
  if (threshold < least)
    return `is no majority of the ${count} authorities: so few could sign two consensuses apart; write ${least} or more, or leave it out`;
  return undefined;
}

/** An authority counts once, however many keys it has. */
function countOf(authorities: readonly string[]): number {
  return new Set(authorities.map((vkey) => vkey.split('+')[0])).size;
}
