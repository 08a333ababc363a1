/** One occurrence: which pattern, and where its last byte stands. */
export type OnMatch = (pattern: number, end: number) => void;

/**
 * Finds many byte strings in one pass (Aho and Corasick, 1975), so that the cost of a search does not depend on how many facts
 * and encodings are searched for.
 */
export interface Automaton {
  scan(data: Uint8Array, onMatch: OnMatch): void;
}

const bytes = 256;

/** `fold` maps every byte of pattern and data before they are compared. */
export function createAutomaton(patterns: readonly Uint8Array[], fold: Uint8Array = identity): Automaton {
  const { next, ends } = tree(patterns, fold);
  const table = close(Int32Array.from(next), ends);
  // From here on a state is the place of its row, and bytes are folded by the table itself.
  const rows = table.map(
    (_, slot) => (table[slot - (slot % bytes) + (fold[slot % bytes] as number)] as number) * bytes,
  );
  const matching = Uint8Array.from(ends, (here) => Math.min(1, here.length));
  return {
    scan(data, onMatch) {
      let row = 0;
      for (let at = 0; at < data.length; at++) {
        row = rows[row + (data[at] as number)] as number;
        if (matching[row >> 8] === 1) for (const pattern of ends[row >> 8] ?? []) onMatch(pattern, at);
      }
    },
  };
}

/** Rows of 256 successors, 0 where there is none, and the patterns that end in each state. */
function tree(patterns: readonly Uint8Array[], fold: Uint8Array): { next: number[]; ends: number[][] } {
  const emptyRow = Array.from({ length: bytes }, () => 0);
  const next = [...emptyRow];
  const ends: number[][] = [[]];
  patterns.forEach((pattern, index) => {
    if (pattern.length === 0) throw new RangeError('an empty pattern is everywhere');
    let state = 0;
    for (const byte of pattern) {
      const slot = state * bytes + (fold[byte] as number);
      if (next[slot] === 0) {
        next[slot] = ends.length;
        ends.push([]);
        next.push(...emptyRow);
      }
      state = next[slot] as number;
    }
    ends[state]?.push(index);
  });
  return { next, ends };
}

/** Breadth first: where a state has no successor, the one of its longest proper suffix that is a state. */
function close(table: Int32Array, ends: number[][]): Int32Array {
  const suffix = new Int32Array(ends.length);
  const queue = [0];
  for (let head = 0; head < queue.length; head++) {
    const state = queue[head] as number;
    const back = (suffix[state] as number) * bytes;
    for (let byte = 0; byte < bytes; byte++) {
      const slot = state * bytes + byte;
      const successor = table[slot] as number;
      const otherwise = state === 0 ? 0 : (table[back + byte] as number);
      if (successor === 0) table[slot] = otherwise;
      else {
        suffix[successor] = otherwise;
        ends[successor]?.push(...(ends[otherwise] ?? []));
        queue.push(successor);
      }
    }
  }
  return table;
}

const identity = Uint8Array.from({ length: bytes }, (_, byte) => byte);

/** ASCII letters in lower case, every other byte as it is. */
export const lowerCase: Uint8Array = identity.map((byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte,
);
