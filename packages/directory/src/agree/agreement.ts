import { encodeHex, type NoteSigner } from '@postern/protocol/codec';
import {
  ballotDigest,
  commitTo,
  type Listed,
  type Reveal,
  signReveal,
  signVote,
  type Vote,
} from '@postern/protocol/consensus';
import type { Random } from '@postern/runtime';
import type { Part, Receipt } from '../ballots.ts';
import type { Members } from './members.ts';
import type { Push } from './peers.ts';
import { createRounds, type Outcome, type Standing, type Valid } from './rounds.ts';
import type { Slot } from './slots.ts';

/** What an authority would have in the consensus. */
export type Draft = Pick<
  Vote,
  'previous' | 'signed' | 'epochSeconds' | 'geometry' | 'meanDelayMs' | 'descriptors' | 'revoked'
>;

/** Where the descriptors are that votes name. */
export interface Bodies {
  /** Those of a list that are not here. */
  missing(listed: readonly Listed[]): readonly Listed[];
  /** Gets them from those who are named, also later on by `from`; resolves when all are here, or the signal aborts. */
  fetch(listed: readonly Listed[], signal: AbortSignal): Fetching;
}

export interface Fetching {
  from(authority: string): void;
  readonly done: Promise<boolean>;
}

export interface AgreementOptions {
  readonly slot: Slot;
  readonly members: Members;
  /** Its key for this slot. */
  readonly signer: NoteSigner;
  readonly random: Random;
  readonly bodies: Bodies;
  readonly now: () => number;
  /** Called when its vote is due; without one it takes part all the same. */
  draft(): Draft | undefined;
  /** What is taken, its own vote too, before anything of it leaves. */
  keep(part: Part, ballot: Standing<Vote | Reveal>): void;
  /** Sends to all others that have not signed it themselves, as long as they take it. */
  pass(part: Part, signed: string, to: Push): void;
}

/** One attempt of an authority to agree with the others (spec agreement 2 to 4). */
export interface Agreement extends Disposable {
  readonly slot: Slot;
  /** Does what is due. */
  advance(nowMs: number): Progress;
  /** Takes what another one has sent. */
  receive(part: Part, signed: string, nowMs: number): Receipt;
}

export type Progress =
  | { readonly kind: 'under-way'; readonly wakeMs: number }
  | { readonly kind: 'closed'; readonly outcome: Outcome };

/** A vote whose descriptors are not all here. */
interface Pending {
  valid: Valid;
  readonly fetching: Fetching;
}

export function createAgreement(options: AgreementOptions): Agreement {
  const { slot, members, signer, bodies, now } = options;
  const { names } = members;
  const rounds = createRounds({ slot, names, signingKeys: () => members.signingKeys, signer });
  const pending = new Map<string, Pending>();
  const closed = new AbortController();
  const head = { version: 1, epoch: slot.epoch, slot: slot.slot, authority: signer.name } as const;
  const said: Record<Part, boolean> = { vote: false, reveal: false };
  /** What it has committed itself to. */
  let value: string | undefined;

  const say = (part: Part, value: Vote | Reveal, signed: string): void => {
    options.keep(part, { value, digest: ballotDigest(signed) ?? '', signed });
    rounds.say(part, signed);
    const fromMs = rounds.dueMs[part];
    options.pass(part, signed, {
      fromMs,
      untilMs: fromMs + slot.roundMs,
      doubtMs: rounds.closedMs[part],
      signedBy: [],
      taken: () => rounds.heard(part),
    });
  };
  const vote = (): void => {
    const draft = options.draft();
    if (draft === undefined) return;
    value = encodeHex(options.random.bytes(32));
    const vote: Vote = { ...head, ...draft, commit: commitTo(value) };
    say('vote', vote, signVote(vote, signer));
  };
  const reveal = (value: string): void => {
    const reveal: Reveal = { ...head, value };
    say('reveal', reveal, signReveal(reveal, signer));
  };
  /** Whoever comes a round too late would not be heard by all. */
  const inTime = (part: Part, nowMs: number): boolean =>
    slot.roundMs === 0 || nowMs < rounds.dueMs[part] + slot.roundMs / 2;

  const admit = (valid: Valid, nowMs: number): Receipt => {
    const taken = rounds.take(valid, nowMs);
    if (taken.kind === 'refused') return taken;
    if (taken.kind === 'known') return { kind: 'known' };
    const { part, ballot, signed } = valid;
    options.keep(part, { value: ballot.value, digest: ballot.digest, signed });
    options.pass(part, taken.passOn, { ...taken, signedBy: ballot.signedBy });
    return { kind: 'taken' };
  };
  /** Of two votes of one authority neither counts, so nobody needs the descriptors of the second. */
  const settle = (authority: string, nowMs: number): void => {
    for (const [digest, { valid }] of pending) {
      if (valid.ballot.value.authority !== authority) continue;
      pending.delete(digest);
      admit(valid, nowMs);
    }
  };
  const awaitBodies = (valid: Valid, listed: readonly Listed[]): Receipt => {
    const { digest, signedBy, value } = valid.ballot;
    const known = pending.get(digest);
    if (known === undefined) {
      const others = [...pending.values()].filter(
        (one) => one.valid.ballot.value.authority === value.authority,
      );
      if (others.length === 2) return { kind: 'known' };
    }
    const one = known ?? { valid, fetching: bodies.fetch(listed, closed.signal) };
    if (signedBy.length > one.valid.ballot.signedBy.length) one.valid = valid;
    for (const name of signedBy.toReversed()) one.fetching.from(name);
    if (known !== undefined) return { kind: 'waiting' };
    pending.set(digest, one);
    void one.fetching.done.then((complete) => {
      if (!complete || !pending.delete(digest)) return;
      admit(one.valid, now());
      settle(value.authority, now());
    });
    return { kind: 'waiting' };
  };

  return {
    slot,
    advance(nowMs) {
      const { dueMs, closedMs } = rounds;
      if (!said.vote && nowMs >= dueMs.vote) {
        said.vote = true;
        if (inTime('vote', nowMs)) vote();
      }
      if (!said.reveal && nowMs >= dueMs.reveal) {
        said.reveal = true;
        if (value !== undefined && inTime('reveal', nowMs)) reveal(value);
      }
      if (nowMs >= closedMs.reveal) return { kind: 'closed', outcome: rounds.outcome() };
      const wakes = [dueMs.vote, dueMs.reveal, closedMs.reveal].filter((ms) => ms > nowMs);
      return { kind: 'under-way', wakeMs: Math.min(...wakes) };
    },
    receive(part, signed, nowMs) {
      const reading = rounds.read(part, signed, nowMs);
      if (reading.kind !== 'valid') return reading;
      const { valid } = reading;
      const { value } = valid.ballot;
      if ('descriptors' in value && !rounds.hasVote(value.authority)) {
        const missing = bodies.missing(value.descriptors);
        if (missing.length > 0) return awaitBodies(valid, missing);
      }
      const receipt = admit(valid, nowMs);
      if (receipt.kind === 'taken') settle(value.authority, nowMs);
      return receipt;
    },
    [Symbol.dispose]: () => closed.abort(),
  };
}
