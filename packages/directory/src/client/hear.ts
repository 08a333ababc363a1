import type { Told } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import type { Directory } from './collect.ts';
import { fetchIssued } from './issued.ts';
import { placesOf } from './places.ts';
import type { Stored } from './recent.ts';
import { isWithin } from './within.ts';

/**
 * What a consensus that a node goes by is to a reader: the `same` as here; `unknown`, of an epoch of which none is here; `other` than here, which
 * nobody shows; or one that is here as well by now and makes a `fork`.
 */
export type Heard = 'same' | 'unknown' | 'other' | 'fork';

export interface Listening {
  readonly clock: Clock;
  /** What was taken for an epoch, in an earlier run too, or was fetched ahead for it; as far as it is here still. */
  known(epoch: number): Stored | undefined;
  /** Keeps what two documents prove. False when they prove nothing. */
  prove(documents: readonly string[]): Promise<boolean>;
}

/** Between two searches, milliseconds: what a node says may be made up, and costs others requests. */
const restMs = 60_000;

/**
 * Holds what nodes tell against what is known (spec consensus 10.6). The document that is behind another digest is asked for wherever a consensus is, once in a
 * while.
 */
export function createListener(
  directory: Directory,
  { clock, known, prove }: Listening,
): (told: Told) => Promise<Heard> {
  let search: Promise<Heard> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;

  const find = async ({ epoch, digest }: Told, ours: Stored): Promise<Heard> => {
    for (const place of placesOf(directory, ours.consensus.nodes)) {
      const found = await fetchIssued(directory, place, epoch);
      if (found === undefined || found.read.digest === ours.digest) continue;
      // whichever of theirs it is: there is another one than ours
      if (await prove([ours.signed, found.signed])) return 'fork';
      if (found.read.digest === digest) break;
    }
    return 'other';
  };

  return async (told) => {
    const ours = known(told.epoch);
    if (ours === undefined) return 'unknown';
    if (ours.digest === told.digest) return 'same';
    if (search === undefined && isWithin(clock.now(), askedMs, restMs)) return 'other';
    askedMs = clock.now();
    search ??= find(told, ours).finally(() => {
      search = undefined;
    });
    return search;
  };
}
