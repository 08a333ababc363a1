import type { Reveal, Vote } from '@postern/protocol/consensus';
import type { Part } from '../ballots.ts';
import type { Kept } from '../store.ts';
import type { Outcome, Standing } from './rounds.ts';

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
