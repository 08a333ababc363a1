import type { Consensus } from '@postern/protocol/consensus';
import { uniform } from '@postern/protocol/primitives';
import type { Random } from '@postern/runtime';
import { timetable } from '../slots.ts';
import type { Held } from './collect.ts';

/** When a reader that runs all the time asks for the next consensus, milliseconds, so that not all come at an epoch's start (spec consensus 10.4). */
export interface Plan {
  /** Before the epoch begins; undefined where authorities do not agree so early. */
  readonly aheadAt: number | undefined;
  /** After it has begun, if that came to nothing. */
  readonly afterAt: number;
}

/** Longest time after an epoch's start over which those are spread that have no consensus for it, milliseconds. */
const longestSpreadMs = 300_000;

/** A random time between that at which so many authorities have agreed, when all goes well, and the epoch's start; and one after that. */
export function planFor(
  { freshUntil, epoch, epochSeconds }: Consensus,
  authorities: number,
  random: Random,
): Plan {
  const endMs = freshUntil * 1_000;
  const slots = timetable(epochSeconds, authorities);
  const agreedAt = slots.at(slots.begins(epoch + 1))?.endMs ?? endMs;
  return {
    aheadAt: agreedAt < endMs ? agreedAt + uniform(random) * (endMs - agreedAt) : undefined,
    afterAt: endMs + uniform(random) * Math.min(longestSpreadMs, epochSeconds * 100),
  };
}

/** The plan for the consensus at hand, drawn once for each. */
export interface Plans {
  /** With whether what is to be done before the epoch was. */
  of(document: Pick<Held, 'consensus' | 'digest'>): Plan & { readonly isDone: boolean };
  /** Notes that it was, for the one asked about last. */
  done(): void;
}

export function createPlans(authorities: number, random: Random): Plans {
  let last: (ReturnType<Plans['of']> & { readonly digest: string }) | undefined;
  return {
    of({ consensus, digest }) {
      if (last?.digest !== digest)
        last = { ...planFor(consensus, authorities, random), digest, isDone: false };
      return last;
    },
    done() {
      if (last !== undefined) last = { ...last, isDone: true };
    },
  };
}
