import type { CertifiedSigner } from '@postern/protocol/consensus';
import type { Clock, Random } from '@postern/runtime';
import type { Alarms } from '../alarms.ts';
import type { AuthorityConfig } from '../config.ts';
import type { Holdup } from '../due.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { Slot, Timetable } from '../slots.ts';
import type { Body } from '../store/bodies.ts';
import type { AuthorityStore } from '../store.ts';
import { tellUsedTwice, voteIn } from './accuse.ts';
import { type Agreed, agree, seal, wantedBy } from './agree.ts';
import { type Agreement, createAgreement } from './agreement.ts';
import { draftOf, noKey, standpointOf, unconfirmed } from './draft.ts';
import { gather } from './gather.ts';
import { allOf, keptOf } from './kept.ts';
import type { Members } from './members.ts';
import type { Passed } from './passed.ts';
import type { Peers } from './peers.ts';
import { createPolling } from './polling.ts';
import type { Preparation } from './preparation.ts';
import type { Outcome } from './rounds.ts';
import type { Signatures } from './signatures.ts';
import { tellNoVote, tellSaid, tellVote, watch } from './watch.ts';

export interface AttemptsOptions {
  readonly config: AuthorityConfig;
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly history: ConsensusLog;
  readonly random: Random;
  readonly alarms: Alarms;
  readonly timetable: Timetable;
  readonly peers: Peers;
  readonly preparation: Preparation;
  /** What others have signed is heard elsewhere. */
  readonly signatures: Omit<Signatures, 'receive'>;
  readonly clock: Clock;
  /** How soon somebody is asked again who has not answered, milliseconds. */
  readonly retryMs: number;
  readonly passed: Passed;
  /** Takes a document that another authority was asked for. */
  hear(name: string, signed: string): void;
  /** Milliseconds. */
  readonly roundMs: number;
  /** How long before a slot it is prepared, milliseconds. */
  readonly aheadMs: number;
  /** Called when something has come that was waited for. */
  arrived(): void;
  failed(error: unknown): void;
  /** An epoch that the operator has found to be right. */
  readonly confirmedEpoch?: number;
}

/** An authority's part in one slot after the other. */
export interface Attempts extends Disposable {
  /** Does what is due; `waitedMs` is how long the consensus has been due already. */
  step(nowMs: number, waitedMs: number): Attempt;
  /** The agreement under way. */
  agreement(): Agreement | undefined;
}

/** What came of looking whether there is something to do. */
export type Attempt =
  | { readonly kind: 'not-due'; readonly wakeMs?: number }
  | { readonly kind: 'issued' }
  /** Until a time, or until something comes. */
  | { readonly kind: 'waiting'; readonly wakeMs: number }
  | { readonly kind: 'held-up'; readonly holdup: Holdup; readonly wakeMs?: number };

interface Running {
  readonly slot: Slot;
  readonly agreement: Agreement;
  /** Ends what is fetched for it. */
  readonly ended: AbortController;
  /** Those of its own vote. */
  drafted: readonly Body[];
  /** Why this authority has no vote. */
  holdup?: Holdup;
  /** Once the reveals are closed. `lacking`: digests of the descriptors that it waits for. */
  closed?: { readonly outcome: Outcome; readonly attempt: Attempt; readonly lacking: string[] };
}

export function createAttempts(options: AttemptsOptions): Attempts {
  const { members, store, timetable, signatures, peers, alarms } = options;
  const alone = members.others.length === 0;
  let running: Running | undefined;
  /** An epoch that is not looked back at yet. */
  let tookPartIn: number | undefined;

  const open = (slot: Slot, signer: CertifiedSigner, waitedMs: number): Running => {
    const agreement = createAgreement({
      slot,
      members,
      signer,
      random: options.random,
      draft() {
        const draft = draftOf(options, slot, waitedMs);
        if ('kind' in draft) {
          opened.holdup = draft;
          return undefined;
        }
        opened.drafted = draft.standing;
        return draft.draft;
      },
      keep(part, ballot) {
        const bodies = ballot.value.authority === members.name ? opened.drafted : [];
        // whoever has taken a vote can tell its authority of it, should that have lost its store
        if (!alone && part === 'vote') store.keep([keptOf(slot.epoch, part, ballot)], bodies);
      },
      usedTwice: () => tellUsedTwice(members.name, alarms, voteIn(slot)),
      counted(votes) {
        if (!alone) fetchBodies(slot.epoch, votes, opened.ended.signal);
      },
      pass(part, signed, to) {
        options.passed.add(part, signed, to.fromMs);
        peers.push(`/v1/agreement/${part}s`, signed, to);
      },
    });
    const opened: Running = { slot, agreement, ended: new AbortController(), drafted: [] };
    store.dropBodies(slot.epoch - bodyEpochs);
    return opened;
  };
  const voters = { members: members.names.length, threshold: members.threshold };
  const fetchBodies = (epoch: number, votes: Outcome['votes'], signal: AbortSignal): void => {
    const { clock, retryMs, arrived: complete, failed } = options;
    gather(wantedBy(votes, voters), { epoch, store, peers, clock, retryMs, signal, complete, failed });
  };

  /** While there is no consensus at all it is held up, and says so by that. */
  const withoutVote = (holdup: Holdup | undefined): void => {
    if (store.latest() !== undefined) tellNoVote(members.name, alarms, holdup);
  };
  const conclude = ({ slot, holdup, drafted }: Running, outcome: Outcome): Attempt => {
    const { epoch } = slot;
    if (!alone) {
      store.keep(allOf(epoch, outcome));
      watch(outcome, slot, members, alarms);
      if (outcome.votes.has(members.name)) tellVote(members.name, alarms);
      // of two votes `watch` has told
      else if (!outcome.doubled.has(members.name)) withoutVote(holdup);
    }
    const agreed = agree(outcome, standpointOf(options, epoch));
    if (agreed.kind === 'held-up')
      return isMissing(agreed) ? agreed : { kind: 'held-up', holdup: holdup ?? agreed.holdup };
    // a vote is not all that needs it: what was prepared late has none
    if (!options.preparation.maySign(epoch)) return { kind: 'held-up', holdup: unconfirmed(members) };
    const signer = members.signerFor(agreed.consensus.validAfter);
    if (signer === undefined) return { kind: 'held-up', holdup: noKey(members) };
    const sealed = seal(agreed.consensus, signer);
    // what was said to nobody else is kept once something came of it
    if (alone) store.keep(allOf(epoch, outcome), drafted);
    // durable before it leaves: there is no second one
    store.sign(sealed);
    store.keepRest(epoch, sealed.digest, agreed.rest);
    signatures.own(sealed);
    if (alone) return { kind: 'issued' };
    const fromMs = options.clock.now();
    peers.push('/v1/agreement/signatures', sealed.signed, {
      fromMs,
      untilMs: timetable.begins(epoch + 1),
      signedBy: [],
    });
    return { kind: 'waiting', wakeMs: slot.endMs };
  };

  const close = (of: Running, outcome: Outcome): NonNullable<Running['closed']> => {
    const attempt = conclude(of, outcome);
    const wanted = isMissing(attempt) ? wantedBy(outcome.votes, voters) : [];
    const lacking = wanted.flatMap(({ digest }) => (store.body(digest) === undefined ? digest : []));
    return { outcome, attempt, lacking };
  };
  /** Whether the descriptors that were all that was missing have come. Asked with everything that comes, and counting takes its time. */
  const isComplete = ({ attempt, lacking }: NonNullable<Running['closed']>): boolean => {
    while (lacking.length > 0 && store.body(lacking.at(-1) as string) !== undefined) lacking.pop();
    return isMissing(attempt) && lacking.length === 0;
  };

  /** Of the epoch that is agreed on. */
  const collect = async (name: string): Promise<void> => {
    const epoch = running?.slot.epoch;
    if (epoch === undefined) return;
    const answer = await peers.ask(name, `/v1/agreement/${epoch}/consensus`, { maxBytes: mostBytes });
    if (answer.kind === 'answer' && answer.status === 200) options.hear(name, answer.text);
  };
  const collecting = createPolling(peers.names, options.roundMs / 4, collect, options.failed);
  /** Asks for signatures that have not come by themselves. */
  const pull = ({ epoch }: Slot, nowMs: number): void => {
    if (signatures.countOf(epoch) < members.names.length) collecting.poll(nowMs);
  };

  /** Looks back, between slots, at the last epoch in which it has taken part, once that has a consensus or is over. */
  const lookBack = (nowMs: number): void => {
    if (tookPartIn === undefined || running !== undefined) return;
    // while they agree they have enough to ask
    if (timetable.epochAt(nowMs) === tookPartIn && store.issued(tookPartIn) === undefined) return;
    options.preparation.lookBack(tookPartIn);
    tookPartIn = undefined;
  };
  /** Says what became of the slot before. */
  const finish = (): void => {
    const before = running;
    running = undefined;
    if (before === undefined || alone) return;
    before.ended.abort();
    options.passed.clear();
    const { epoch } = before.slot;
    if (store.issued(epoch) !== undefined) {
      alarms.clear('split', '');
      return;
    }
    if (before.closed === undefined) return;
    const why = tellSaid(before.closed.outcome, signatures.signedFor(epoch), before.slot, members);
    alarms.raise('split', '', why);
  };

  return {
    agreement: () => running?.agreement,
    step(nowMs, waitedMs) {
      const slot = timetable.at(nowMs);
      if (alone || slot?.epoch !== running?.slot.epoch || slot?.slot !== running?.slot.slot) finish();
      lookBack(nowMs);
      const coming = alone ? undefined : timetable.at(nowMs + options.aheadMs);
      if (coming !== undefined && store.latest()?.epoch !== coming.epoch) options.preparation.prepare(coming);
      if (slot === undefined) return { kind: 'waiting', wakeMs: timetable.next(nowMs) };
      const latest = store.latest();
      if (!alone && latest !== undefined && latest.epoch > slot.epoch) {
        const holdup = { kind: 'clock-behind', epoch: slot.epoch, latest: latest.epoch } as const;
        return { kind: 'held-up', holdup, wakeMs: slot.endMs };
      }
      const isIssued = latest?.epoch === slot.epoch;
      if (isIssued && running?.closed === undefined) return { kind: 'not-due' };
      if (!alone && running === undefined && !options.preparation.isReady(slot))
        return { kind: 'waiting', wakeMs: slot.endMs };
      if (running === undefined) {
        const signer = members.signerFor(Math.floor(slot.startMs / 1_000));
        if (signer === undefined) {
          const holdup = draftOf(options, slot, waitedMs);
          const cause = 'kind' in holdup ? holdup : noKey(members);
          if (alone) return { kind: 'held-up', holdup: cause };
          withoutVote(cause);
          return { kind: 'held-up', holdup: cause, wakeMs: slot.endMs };
        }
        running = open(slot, signer, waitedMs);
        if (!alone) tookPartIn = slot.epoch;
      }
      if (running.closed === undefined) {
        const progress = running.agreement.advance(nowMs);
        if (progress.kind === 'under-way') {
          const { wakeMs } = progress;
          return running.holdup
            ? { kind: 'held-up', holdup: running.holdup, wakeMs }
            : { kind: 'waiting', wakeMs };
        }
        const { outcome } = progress;
        running.closed = close(running, outcome);
      } else {
        if (isComplete(running.closed)) running.closed = close(running, running.closed.outcome);
        pull(slot, nowMs);
      }
      const { attempt } = running.closed;
      if (alone) return attempt;
      const wakeMs = Math.min(slot.endMs, nowMs + slot.roundMs / 3);
      if (isIssued) return { kind: 'not-due', wakeMs };
      return attempt.kind === 'held-up' ? { ...attempt, wakeMs } : { kind: 'waiting', wakeMs };
    },
    [Symbol.dispose]: () => running?.ended.abort(),
  };
}

/** Epochs for which descriptors are kept that votes have named. */
const bodyEpochs = 3;

/** Whether descriptors were all that was missing; they may have come meanwhile. */
function isMissing(attempt: Attempt | Agreed): boolean {
  return attempt.kind === 'held-up' && attempt.holdup.kind === 'missing-descriptors';
}

/** Longest note of a consensus, bytes. */
const mostBytes = 8_388_608;
