import { maxConsensusLength, readIssued, type Told } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import { ask } from '../ask.ts';
import { type Directory, type Held, verifyFrom } from './collect.ts';
import { mirrorTimeoutMs, placesOf } from './places.ts';

/**
 * What a consensus that a node goes by is to a reader: the `same` as here; `unknown`, of an epoch of which none is here; `other` than here, which
 * nobody shows; or one that is here as well by now and makes a `fork`.
 */
export type Heard = 'same' | 'unknown' | 'other' | 'fork';

export interface Listening {
  readonly clock: Clock;
  /** What was taken for an epoch, as far as it is here still. */
  known(epoch: number): Held | undefined;
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
  let restUntil = 0;

  const find = async ({ epoch, digest }: Told, ours: Held): Promise<Heard> => {
    for (const { url, isMirror } of placesOf(directory, ours.consensus.nodes)) {
      const timeoutMs = isMirror ? Math.min(directory.timeoutMs, mirrorTimeoutMs) : directory.timeoutMs;
      const question = { ...directory, timeoutMs, maxBytes: maxConsensusLength };
      const answer = await ask(`${url}/v1/consensus/${epoch}`, question);
      if (answer.kind !== 'answer' || answer.status !== 200) continue;
      const { text } = answer;
      const read = await verifyFrom(directory, url, (trust) => readIssued(text, trust));
      if (read.kind === 'refused' || read.digest === ours.digest) continue;
      // whichever of theirs it is: there is another one than ours
      if (await prove([ours.signed, text])) return 'fork';
      if (read.digest === digest) break;
    }
    return 'other';
  };

  return async (told) => {
    const ours = known(told.epoch);
    if (ours === undefined) return 'unknown';
    if (ours.digest === told.digest) return 'same';
    if (search === undefined && clock.now() < restUntil) return 'other';
    restUntil = clock.now() + restMs;
    search ??= find(told, ours).finally(() => {
      search = undefined;
    });
    return search;
  };
}
