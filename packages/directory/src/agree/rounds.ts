import type { NoteSigner } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  type Ballot,
  commitTo,
  countersign,
  type Reveal,
  readReveal,
  readVote,
  type SigningKey,
  type Vote,
} from '@postern/protocol/consensus';
import { type Broadcast, createBroadcast, roundsOf } from './broadcast.ts';

/** When the rounds of an agreement are, on the clock of whoever takes part. */
export interface Schedule {
  /** Milliseconds: votes are taken from then on. */
  readonly startMs: number;
  /** Milliseconds: at least twice what a message takes and two clocks differ, together. */
  readonly roundMs: number;
}

export type Part = 'vote' | 'reveal';

export interface RoundsOptions extends Schedule {
  readonly epoch: number;
  readonly authorities: readonly AuthorityKey[];
  readonly threshold: number;
  /** Theirs, from certificates. Those for the time at which the agreement starts count, to the end of it. */
  readonly signingKeys: readonly SigningKey[];
  readonly signer: NoteSigner;
}

/** What one authority takes of the votes and reveals for an epoch. */
export interface Rounds {
  /** When this authority's own is due: half a round after others are taken, so that a clock that differs finds it in time as well. */
  readonly dueMs: Readonly<Record<Part, number>>;
  /** When no more are taken. */
  readonly closedMs: Readonly<Record<Part, number>>;
  /** Takes what another one, or this one itself, has signed. What is new and in time is to be passed on to all others. */
  take(part: Part, signed: string, nowMs: number): Taken;
  /** What came of it: the same for all that are not faulty, once the reveals are closed. */
  outcome(): Outcome;
}

export type Taken =
  | {
      readonly kind: 'new';
      /** To be passed on, at this time or as soon after it as may be: before it others do not take it. */
      readonly passOn: string;
      readonly passOnMs: number;
    }
  | { readonly kind: 'known' }
  | { readonly kind: 'refused'; readonly reason: TakenRefusal; readonly detail: string };

export type TakenRefusal = 'early' | 'late' | 'other-epoch' | 'not-committed' | 'no-ballot';

export interface Outcome {
  /** Of authorities that have said one thing, by their names. */
  readonly votes: ReadonlyMap<string, Vote>;
  readonly reveals: ReadonlyMap<string, Reveal>;
  /** Two votes of one authority for one epoch, as they were signed: anybody can see that it is faulty. */
  readonly doubled: ReadonlyMap<string, readonly string[]>;
}

/** Votes of an epoch, and then what they have committed to, by a broadcast for each (spec agreement 2). */
export function createRounds(options: RoundsOptions): Rounds {
  const { epoch, authorities, threshold, signingKeys, signer, startMs, roundMs } = options;
  const reader = { signingKeys, at: Math.floor(startMs / 1_000) };
  const names = [...new Set(authorities.map(({ name }) => name))];
  const phaseMs = roundMs / 2 + roundsOf(names.length, threshold) * roundMs;
  const openMs = { vote: startMs, reveal: startMs + phaseMs };
  const dueMs = { vote: openMs.vote + roundMs / 2, reveal: openMs.reveal + roundMs / 2 };
  const closedMs = { vote: openMs.vote + phaseMs, reveal: openMs.reveal + phaseMs };
  const votes = createPart<Vote>(names);
  const reveals = createPart<Reveal>(names);

  /** What stands, once votes are closed. */
  const standing = (authority: string): Vote | undefined => {
    const [only, another] = votes.values(authority);
    return another === undefined ? only : undefined;
  };
  const admit = <T extends Vote | Reveal>(
    part: Part,
    of: PartState<T>,
    ballot: Ballot<T>,
    signed: string,
    nowMs: number,
  ): Taken => {
    const round = Math.max(1, Math.floor((nowMs - dueMs[part]) / roundMs) + 1);
    if (nowMs < openMs[part]) return refused('early', `${part}s are not taken yet`);
    if (nowMs >= closedMs[part]) return refused('late', `${part}s are not taken any more`);
    if (ballot.kind === 'refused') return refused('no-ballot', ballot.detail);
    if (ballot.value.epoch !== epoch) return refused('other-epoch', `it is for epoch ${ballot.value.epoch}`);
    if ('value' in ballot.value && standing(ballot.value.authority)?.commit !== commitTo(ballot.value.value))
      return refused('not-committed', `${ballot.value.authority} has not committed itself to it`);
    const outcome = of.take(ballot, signed, round);
    if (outcome === 'late') return refused('late', `too few have signed it for round ${round}`);
    if (outcome === 'known') return { kind: 'known' };
    return { kind: 'new', passOn: countersign(signed, signer), passOnMs: Math.max(nowMs, dueMs[part]) };
  };

  return {
    dueMs,
    closedMs,
    take: (part, signed, nowMs) =>
      part === 'vote'
        ? admit(part, votes, readVote(signed, reader), signed, nowMs)
        : admit(part, reveals, readReveal(signed, reader), signed, nowMs),
    outcome: () => ({
      votes: mapOf(names, standing),
      reveals: mapOf(names, (name) => (standing(name) === undefined ? undefined : reveals.values(name)[0])),
      doubled: mapOf(names, (name) => {
        const notes = votes.notes(name);
        return notes.length > 1 ? notes : undefined;
      }),
    }),
  };
}

interface PartState<T> {
  take(ballot: Ballot<T> & { kind: 'ballot' }, signed: string, round: number): 'new' | 'known' | 'late';
  values(authority: string): readonly T[];
  notes(authority: string): readonly string[];
}

function createPart<T extends Vote | Reveal>(names: readonly string[]): PartState<T> {
  const broadcasts = new Map<string, Broadcast>(names.map((name) => [name, createBroadcast(name)]));
  const held = new Map<string, { readonly value: T; readonly signed: string }>();
  const of = (authority: string) =>
    (broadcasts.get(authority)?.taken ?? []).flatMap((digest) => held.get(digest) ?? []);
  return {
    take({ value, digest, signedBy }, signed, round) {
      if (held.has(digest)) return 'known';
      const broadcast = broadcasts.get(value.authority);
      if (broadcast === undefined || broadcast.taken.length === 2) return 'known';
      if (!broadcast.take(digest, signedBy, round)) return 'late';
      held.set(digest, { value, signed });
      return 'new';
    },
    values: (authority) => of(authority).map(({ value }) => value),
    notes: (authority) => of(authority).map(({ signed }) => signed),
  };
}

function mapOf<T>(names: readonly string[], value: (name: string) => T | undefined): Map<string, T> {
  return new Map(
    names.flatMap((name) => {
      const found = value(name);
      return found === undefined ? [] : [[name, found] as const];
    }),
  );
}

function refused(reason: TakenRefusal, detail: string): Taken {
  return { kind: 'refused', reason, detail };
}
