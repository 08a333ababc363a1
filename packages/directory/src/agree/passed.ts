import { ballotDigest } from '@postern/protocol/consensus';
import type { Part } from '../ballots.ts';

/** What this authority says in the slot under way, and passes on, for those who come for it (spec agreement 3.4). */
export interface Passed {
  /** Puts it in, under its own signature; it is not shown before a time. */
  add(part: Part, signed: string, fromMs: number): void;
  /** Digests of what may be shown. */
  list(nowMs: number): Readonly<Record<Part, readonly string[]>>;
  get(digest: string, nowMs: number): string | undefined;
  /** Whether it is the digest of one of these, shown or not. */
  holds(digest: string): boolean;
  /** Whether it begins with the text of one of these, whoever has signed it. Costs next to nothing, however long it is. */
  has(signed: string): boolean;
  /** Forgets all: the slot is over. */
  clear(): void;
}

interface Held {
  readonly part: Part;
  readonly signed: string;
  /** Its text, two lines, and the empty one after them: nothing else begins so. */
  readonly text: string;
  readonly fromMs: number;
}

export function createPassed(): Passed {
  const all = new Map<string, Held>();
  return {
    add(part, signed, fromMs) {
      const digest = ballotDigest(signed);
      const text = signed.slice(0, signed.indexOf('\n\n') + 2);
      if (digest !== undefined) all.set(digest, { part, signed, text, fromMs });
    },
    list(nowMs) {
      const of = (part: Part): string[] =>
        [...all].flatMap(([digest, one]) => (one.part === part && one.fromMs <= nowMs ? digest : []));
      return { vote: of('vote'), reveal: of('reveal') };
    },
    get(digest, nowMs) {
      const one = all.get(digest);
      return one !== undefined && one.fromMs <= nowMs ? one.signed : undefined;
    },
    holds: (digest) => all.has(digest),
    has: (signed) => [...all.values()].some(({ text }) => signed.startsWith(text)),
    clear: () => all.clear(),
  };
}
