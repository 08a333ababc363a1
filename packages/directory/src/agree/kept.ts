import type { Reveal, Vote } from '@postern/protocol/consensus';
import type { Part } from '../ballots.ts';
import type { Slot } from '../slots.ts';
import type { AuthorityStore, Kept, KeptName } from '../store.ts';
import { type Outcome, type Standing, slotIn } from './rounds.ts';

/** A ballot as it is kept. */
export function keptOf(epoch: number, part: Part, { value, digest, signed }: Standing<Vote | Reveal>): Kept {
  return { epoch, part, authority: value.authority, digest, signed };
}

/** All that came of an agreement. */
export function allOf(epoch: number, { votes, reveals, doubled }: Outcome): Kept[] {
  return [
    ...[...votes.values(), ...[...doubled.values()].flat()].map((vote) => keptOf(epoch, 'vote', vote)),
    ...[...reveals.values()].map((reveal) => keptOf(epoch, 'reveal', reveal)),
  ];
}

/** The votes of one authority in a slot that are kept. */
export function votesIn(
  store: Pick<AuthorityStore, 'keptDigests' | 'keptNote'>,
  name: string,
  { epoch, slot }: Pick<Slot, 'epoch' | 'slot'>,
): KeptName[] {
  const own = store.keptDigests(epoch).filter(({ part, authority }) => part === 'vote' && authority === name);
  return own.filter((one) => slotIn(store.keptNote(one)) === slot);
}
