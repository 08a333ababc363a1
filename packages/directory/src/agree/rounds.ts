import {
  type Ballot,
  ballotDigest,
  type CertifiedReader,
  type CertifiedSigner,
  commitTo,
  countersign,
  type Reveal,
  readReveal,
  readVote,
  type Vote,
} from '@postern/protocol/consensus';
import type { BallotFault, Part } from '../ballots.ts';
import { roundsOf, type Slot } from '../slots.ts';
import { type Broadcast, createBroadcast } from './broadcast.ts';

export interface RoundsOptions {
  readonly slot: Slot;
  /** Of all authorities. */
  readonly names: readonly string[];
  /** By what ballots are read. Keys for the time at which the slot starts count, to the end of it. */
  readonly reader: CertifiedReader;
  readonly signer: CertifiedSigner;
}

/** What one authority takes of the votes and reveals of a slot. */
export interface Rounds {
  /** When this authority's own is due: half a round after others are taken, so that a clock that differs finds it in time as well. */
  readonly dueMs: Readonly<Record<Part, number>>;
  /** When no more are taken. */
  readonly closedMs: Readonly<Record<Part, number>>;
  /** Puts in what this authority itself says. It does not count before it was heard. */
  say(part: Part, signed: string): void;
  /** Another authority has taken what this one says. */
  heard(part: Part): void;
  /** Reads what another one has sent. What is known, or comes at the wrong time, costs no signature check. */
  read(part: Part, signed: string, nowMs: number): Reading;
  /** Takes what was read, if it is in time still, once `keep` has returned. What is new is to be passed on to all others. */
  take(ballot: Valid, nowMs: number, keep?: () => void): Taken;
  /** What came of it: the same for all that are not faulty, once the reveals are closed. */
  outcome(): Outcome;
}

/** A ballot whose signatures hold, as it came. */
export interface Valid {
  readonly part: Part;
  readonly ballot: Extract<Ballot<Vote | Reveal>, { kind: 'ballot' }>;
  readonly signed: string;
}

interface Refused {
  readonly kind: 'refused';
  readonly reason: BallotFault;
  readonly detail: string;
}

export type Reading =
  | { readonly kind: 'valid'; readonly valid: Valid }
  | { readonly kind: 'known' }
  | Refused;

export type Taken =
  | {
      readonly kind: 'new';
      readonly passOn: string;
      /** Not before this time: others do not take it yet. */
      readonly fromMs: number;
      /** In vain after this time: others do not take it any more. */
      readonly untilMs: number;
    }
  | { readonly kind: 'known' }
  | Refused;

/** A ballot that counts. */
export interface Standing<T extends Vote | Reveal> {
  readonly value: T;
  readonly digest: string;
  /** As it was taken. */
  readonly signed: string;
}

export interface Outcome {
  /** Of authorities that have said one thing, by their names. */
  readonly votes: ReadonlyMap<string, Standing<Vote>>;
  readonly reveals: ReadonlyMap<string, Standing<Reveal>>;
  /** Two votes of one authority for one slot: anybody can see that it is faulty. */
  readonly doubled: ReadonlyMap<string, readonly Standing<Vote>[]>;
}

/** Votes of a slot, and then what they have committed to, by a broadcast for each (spec agreement 3). */
export function createRounds({ slot, names, reader, signer }: RoundsOptions): Rounds {
  const { roundMs, startMs } = slot;
  const at = Math.floor(startMs / 1_000);
  const read = (part: Part, signed: string): Ballot<Vote | Reveal> =>
    (part === 'vote' ? readVote : readReveal)(signed, { ...reader, at });
  const phaseMs = roundMs / 2 + roundsOf(names.length) * roundMs;
  const openMs = { vote: startMs, reveal: startMs + phaseMs };
  const dueMs = { vote: openMs.vote + roundMs / 2, reveal: openMs.reveal + roundMs / 2 };
  const closedMs = { vote: openMs.vote + phaseMs, reveal: openMs.reveal + phaseMs };
  const votes = createPart<Vote>(names);
  const reveals = createPart<Reveal>(names);
  const isHeard: Record<Part, boolean> = { vote: names.length === 1, reveal: names.length === 1 };

  /** What stands, once votes are closed. */
  const standing = (authority: string): Standing<Vote> | undefined => {
    const [only, another] = votes.of(authority);
    return another === undefined ? only : undefined;
  };
  /** What was sent too late to be taken by anybody is no good to whoever has sent it either: the others count without. */
  const counted = (name: string): Standing<Vote> | undefined =>
    name === signer.name && !isHeard.vote ? undefined : standing(name);
  const revealed = (name: string): Standing<Reveal> | undefined =>
    counted(name) === undefined || (name === signer.name && !isHeard.reveal)
      ? undefined
      : reveals.of(name)[0];
  const untimely = (part: Part, nowMs: number): Refused | undefined => {
    if (nowMs < openMs[part]) return refused('early', `${part}s are not taken yet`);
    return nowMs >= closedMs[part] ? refused('late', `${part}s are not taken any more`) : undefined;
  };
  const mismatch = ({ value }: Valid['ballot']): Refused | undefined => {
    if (value.epoch !== slot.epoch || value.slot !== slot.slot)
      return refused('other-slot', `it is for slot ${value.slot} of epoch ${value.epoch}`);
    if ('value' in value && standing(value.authority)?.value.commit !== commitTo(value.value))
      return refused('not-committed', `${value.authority} has not committed itself to it`);
    return undefined;
  };
  const put = ({ ballot, signed }: Omit<Valid, 'part'>): void => {
    const { value, digest } = ballot;
    if ('value' in value) reveals.put({ value, digest, signed });
    else votes.put({ value, digest, signed });
  };

  return {
    dueMs,
    closedMs,
    say(part, signed) {
      const ballot = read(part, signed);
      if (ballot.kind === 'refused') throw new Error(`its own ${part} does not hold: ${ballot.detail}`);
      if ((part === 'vote' ? votes : reveals).admits(ballot, 1)) put({ ballot, signed });
    },
    heard(part) {
      isHeard[part] = true;
    },
    read(part, signed, nowMs) {
      const of = part === 'vote' ? votes : reveals;
      const digest = ballotDigest(signed);
      // whoever asks for what others pass on is given it whenever that is
      if (digest !== undefined && of.has(digest)) return { kind: 'known' };
      const fault = untimely(part, nowMs);
      if (fault !== undefined) return fault;
      const sender = senderOf(signed);
      if (sender === undefined || !names.includes(sender))
        return refused('no-ballot', 'it is from no authority known here');
      // the third of a sender is of no use, however it is signed
      if (of.of(sender).length === 2) return { kind: 'known' };
      const ballot = read(part, signed);
      if (ballot.kind === 'refused') return refused('no-ballot', ballot.detail);
      return mismatch(ballot) ?? { kind: 'valid', valid: { part, ballot, signed } };
    },
    take(valid, nowMs, keep = () => {}) {
      const { part, ballot, signed } = valid;
      const of = part === 'vote' ? votes : reveals;
      const round = Math.max(1, Math.floor((nowMs - dueMs[part]) / roundMs) + 1);
      const fault = untimely(part, nowMs) ?? mismatch(ballot);
      if (fault !== undefined) return fault;
      if (of.has(ballot.digest) || of.of(ballot.value.authority).length === 2) return { kind: 'known' };
      if (!of.admits(ballot, round)) return refused('late', `too few have signed it for round ${round}`);
      keep();
      put(valid);
      return {
        kind: 'new',
        passOn: countersign(signed, signer),
        fromMs: Math.max(nowMs, dueMs[part]),
        untilMs: Math.min(closedMs[part], dueMs[part] + (ballot.signedBy.length + 1) * roundMs),
      };
    },
    outcome: () => ({
      votes: mapOf(names, counted),
      reveals: mapOf(names, revealed),
      doubled: mapOf(names, (name) => (votes.of(name).length > 1 ? votes.of(name) : undefined)),
    }),
  };
}

interface PartState<T extends Vote | Reveal> {
  /** Whether it is new, and in time for a round; `put` follows. */
  admits(ballot: Valid['ballot'], round: number): boolean;
  put(one: Standing<T>): void;
  has(digest: string): boolean;
  of(authority: string): readonly Standing<T>[];
}

function createPart<T extends Vote | Reveal>(names: readonly string[]): PartState<T> {
  const broadcasts = new Map<string, Broadcast>(names.map((name) => [name, createBroadcast(name)]));
  const held = new Map<string, Standing<T>>();
  return {
    admits: ({ value, digest, signedBy }, round) =>
      broadcasts.get(value.authority)?.admits(digest, signedBy, round) ?? false,
    put(one) {
      broadcasts.get(one.value.authority)?.take(one.digest);
      held.set(one.digest, one);
    },
    has: (digest) => held.has(digest),
    of: (authority) => (broadcasts.get(authority)?.taken ?? []).flatMap((digest) => held.get(digest) ?? []),
  };
}

/** Whom a ballot says that it is from: the first member of its canonical JSON. */
export function senderOf(signed: string): string | undefined {
  return /^postern\.(?:vote|reveal)\/v1\n\{"authority":"([^"\\]{1,255})"/.exec(signed.slice(0, 300))?.[1];
}

/** Of which slot a vote says that it is; NaN when it says nothing of one. */
export function slotIn(signed: string): number {
  return Number(/"slot":(\d+)/.exec(signed)?.[1]);
}

function mapOf<T>(names: readonly string[], value: (name: string) => T | undefined): Map<string, T> {
  return new Map(
    names.flatMap((name) => {
      const found = value(name);
      return found === undefined ? [] : [[name, found] as const];
    }),
  );
}

function refused(reason: BallotFault, detail: string): Refused {
  return { kind: 'refused', reason, detail };
}
