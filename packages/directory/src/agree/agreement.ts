import { encodeHex } from '@postern/protocol/codec';
import {
  ballotDigest,
  type CertifiedSigner,
  commitTo,
  type Reveal,
  signReveal,
  signVote,
  type Vote,
} from '@postern/protocol/consensus';
import type { Random } from '@postern/runtime';
import type { Part, Receipt } from '../ballots.ts';
import type { Slot } from '../slots.ts';
import type { Members } from './members.ts';
import type { Push } from './peers.ts';
import { createRounds, type Outcome, type Standing, senderOf, type Valid } from './rounds.ts';

/** What an authority would have in the consensus. */
export type Draft = Pick<
  Vote,
  'previous' | 'signed' | 'epochSeconds' | 'geometry' | 'meanDelayMs' | 'width' | 'descriptors' | 'revoked'
>;

export interface AgreementOptions {
  readonly slot: Slot;
  readonly members: Members;
  /** Its key for this slot. */
  readonly signer: CertifiedSigner;
  readonly random: Random;
  /** Called when its vote is due; without one it takes part all the same. */
  draft(): Draft | undefined;
  /** What is taken, its own vote too, before anything of it leaves. When it throws it has not been taken. */
  keep(part: Part, ballot: Standing<Vote | Reveal>): void;
  /** Sends to all others that have not signed it themselves, as long as they take it. */
  pass(part: Part, signed: string, to: Push): void;
  /** Called when a vote has come under its own name that it has not made. */
  usedTwice(): void;
  /** Called once no more votes are taken. */
  counted(votes: Outcome['votes']): void;
}

/** One attempt of an authority to agree with the others (spec agreement 2 to 4). */
export interface Agreement {
  readonly slot: Slot;
  /** Does what is due. */
  advance(nowMs: number): Progress;
  /** Takes what another one has sent. */
  receive(part: Part, signed: string, nowMs: number): Receipt;
}

export type Progress =
  | { readonly kind: 'under-way'; readonly wakeMs: number }
  | { readonly kind: 'closed'; readonly outcome: Outcome };

export function createAgreement(options: AgreementOptions): Agreement {
  const { slot, members, signer } = options;
  const { names } = members;
  const rounds = createRounds({ slot, names, reader: members, signer });
  const head = { version: 1, epoch: slot.epoch, slot: slot.slot, authority: signer.name } as const;
  const done = { vote: false, count: false, reveal: false };
  /** What it has committed itself to. */
  let value: string | undefined;
  /** Whether there is a vote under its own name that it has not made. */
  let isUsedTwice = false;

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

  /** What somebody else says with its keys is not taken before it has voted itself, or has not: it would have no vote. */
  const isTooEarly = (part: Part, signed: string): boolean =>
    isUsedTwice && part === 'vote' && !done.vote && senderOf(signed) === signer.name;
  const tooEarly: Receipt = {
    kind: 'refused',
    reason: 'early',
    detail: 'this authority, whose name it bears, has not made it, and has not voted yet',
  };
  const admit = (valid: Valid, nowMs: number): Receipt => {
    const { part, ballot, signed } = valid;
    const { value, digest } = ballot;
    // its own are known, and it is in no slot that began before it was started
    if (part === 'vote' && value.authority === signer.name) {
      isUsedTwice = true;
      options.usedTwice();
      if (!done.vote) return tooEarly;
    }
    const taken = rounds.take(valid, nowMs, () => options.keep(part, { value, digest, signed }));
    if (taken.kind === 'refused') return taken;
    if (taken.kind === 'known') return { kind: 'known' };
    options.pass(part, taken.passOn, { ...taken, signedBy: ballot.signedBy });
    return { kind: 'taken' };
  };
  return {
    slot,
    advance(nowMs) {
      const { dueMs, closedMs } = rounds;
      if (!done.vote && nowMs >= dueMs.vote) {
        if (inTime('vote', nowMs)) vote();
        done.vote = true;
      }
      if (!done.count && nowMs >= closedMs.vote) {
        options.counted(rounds.outcome().votes);
        done.count = true;
      }
      if (!done.reveal && nowMs >= dueMs.reveal) {
        if (value !== undefined && inTime('reveal', nowMs)) reveal(value);
        done.reveal = true;
      }
      if (nowMs >= closedMs.reveal) return { kind: 'closed', outcome: rounds.outcome() };
      const wakes = [dueMs.vote, closedMs.vote, dueMs.reveal, closedMs.reveal].filter((ms) => ms > nowMs);
      return { kind: 'under-way', wakeMs: Math.min(...wakes) };
    },
    receive(part, signed, nowMs) {
      // as many as may come cost one signature check
      if (isTooEarly(part, signed)) return tooEarly;
      const reading = rounds.read(part, signed, nowMs);
      if (reading.kind !== 'valid') return reading;
      return admit(reading.valid, nowMs);
    },
  };
}
