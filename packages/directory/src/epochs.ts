import type { AuthorityKey, Consensus } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import { tellKept } from './agree/accuse.ts';
import { createAnswering } from './agree/answering.ts';
import { type Attempt, createAttempts } from './agree/attempts.ts';
import { createHearing } from './agree/hearing.ts';
import { createLedger } from './agree/ledger.ts';
import { membersOf } from './agree/members.ts';
import { shareParameters } from './agree/parameters.ts';
import { createPassed } from './agree/passed.ts';
import { createPeers, type Exchange, type Seen } from './agree/peers.ts';
import { createPreparation } from './agree/preparation.ts';
import { recordOf } from './agree/record.ts';
import { createSignatures } from './agree/signatures.ts';
import type { Alarms } from './alarms.ts';
import type { Part, Receipt } from './ballots.ts';
import type { AuthorityConfig } from './config.ts';
import { explain, type Holdup, isAlarming, isOfClock, patienceMs } from './due.ts';
import type { SigningKeys } from './keys/signing.ts';
import type { ConsensusLog } from './log/log.ts';
import type { Counters } from './observe.ts';
import type { PeerCertificates } from './peer-certificates.ts';
import { roundMsOf, timeoutMsOf, timetable } from './slots.ts';
import type { AuthorityStore } from './store.ts';

export interface EpochsOptions {
  readonly config: AuthorityConfig;
  readonly keys: SigningKeys;
  /** All authorities, this one too. */
  readonly authorities: readonly AuthorityKey[];
  /** Of the others' signing keys. */
  readonly certificates: PeerCertificates;
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: ConsensusLog;
  readonly clock: Clock;
  /** Milliseconds as they pass, whatever the clock is set to; by the clock unless given. */
  readonly uptime?: () => number;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Pick<Counters, 'consensus'>;
  readonly alarms: Alarms;
  /** How others are spoken to. */
  readonly exchange: Exchange;
  /** Parameters, signed by this authority, while it has a key. */
  readonly parameters: () => string | undefined;
  /** An epoch that the operator has found to be right. */
  readonly confirmedEpoch?: number;
}

/** The beat of an authority. Disposing of it ends it; afterwards nothing is issued. */
export interface Epochs extends AsyncDisposable {
  /** Does what is due of the agreement on the current epoch. Never throws. */
  conclude(): void;
  /** Why there is no consensus of this epoch, as far as it is not a fault. */
  holdup(): Holdup | undefined;
  /** What is known of the other authorities. */
  readonly seen: ReadonlyMap<string, Seen>;
  /** Signed by all who say the same; undefined while there is no key to sign with. While too few have signed they are looked for. */
  parameters(): { readonly signed: string; readonly isComplete: boolean } | undefined;
  /** Take what another authority sends. */
  receiveBallot(part: Part, signed: string): Receipt;
  receiveSigned(signed: string): Receipt;
  /** Digests of the ballots that this authority passes on, and each of them. */
  passed(): Readonly<Record<Part, readonly string[]>>;
  passedOn(digest: string): string | undefined;
  /** A document for an epoch with the signatures that have come in, be they enough or not. */
  signedFor(epoch: number): string | undefined;
  /** Everything that was said for an epoch, or the votes of one authority and the documents, as JSON in pieces; undefined when there is nothing. */
  record(epoch: number, of?: string): Iterable<string> | undefined;
}

/** How soon to try again when a consensus could not be stored, milliseconds. */
const storeRetryMs = 5_000;

/** Seconds without a new descriptor after which a node's names are free again. */
const bindingSeconds = 30 * 86_400;

/** Agrees on a consensus for every epoch (spec agreement 2), with others or alone (spec consensus 9.3). */
export function startEpochs(options: EpochsOptions): Epochs {
  const { config, clock, log, counters, store, alarms } = options;
  const counted = counters.consensus;
  const members = membersOf(options);
  const { names, others } = members;
  const table = timetable(config.epochSeconds, names.length);
  const roundMs = roundMsOf(config.epochSeconds, names.length);
  const stop = new AbortController();
  const now = (): number => clock.now();
  const startedMs = now();

  let waiting = new AbortController();
  let dueSince: number | undefined;
  let holdup: Holdup | undefined;
  const wake = (): void => waiting.abort();

  const issued = (consensus: Consensus): void => {
    const { epoch, nodes, previous } = consensus;
    counted.add('issued');
    log.info('consensus issued', { epoch, nodes: nodes.length });
    // whoever was silent while the authority was silent too has had no chance to be heard
    const heard = others.length === 0 || clock.now() >= startedMs + config.epochSeconds * 1_000;
    if (heard && store.issued(epoch - 1)?.digest === previous)
      forgetSilent(store, Math.floor(clock.now() / 1_000));
    wake();
  };
  const failed = (error: unknown): void => {
    if (stop.signal.aborted) return;
    counted.add('failed');
    log.error('consensus not issued', { why: error instanceof Error ? error.message : String(error) });
  };
  const ledger = createLedger({ store, history: options.history, members, alarms, issued });
  const { epochSeconds } = config;
  const signatures = createSignatures({
    ...table,
    store,
    members,
    ledger,
    alarms,
    epochSeconds,
    certified: (certificates) => void options.certificates.use(certificates).catch(failed),
    issued: options.certificates.keepOf,
  });
  const parameters = shareParameters(options.parameters, members, now);
  const timeoutMs = timeoutMsOf(roundMs);
  const aheadMs = 2 * timeoutMs;
  const retryMs = Math.max(50, roundMs / 10);
  const peers = createPeers({ others, exchange: options.exchange, clock, timeoutMs, retryMs });
  const answering = createAnswering(log, others);
  const preparation = createPreparation({
    peers,
    members,
    store,
    history: options.history,
    ledger,
    alarms,
    parameters,
    now,
    uptime: options.uptime ?? now,
    failed,
    certificates: options.certificates,
    timetable: table,
    toleranceMs: Math.max(2_000, roundMs / 4),
    restMs: roundMs / 4,
    found() {
      answering(peers.seen);
      wake();
    },
  });
  const passed = createPassed();
  const attempts = createAttempts({
    ...options,
    passed,
    hear: (name, signed) => void hearing.given(name, signed),
    roundMs,
    members,
    store,
    alarms,
    peers,
    preparation,
    signatures,
    retryMs,
    aheadMs,
    arrived: wake,
    failed,
    timetable: table,
  });
  const hearing = createHearing({
    clock,
    members,
    peers,
    passed,
    signatures,
    failed,
    retryMs,
    agreementAt(nowMs) {
      const startMs = table.at(nowMs)?.startMs;
      if (attempts.agreement()?.slot.startMs !== startMs) attempt();
      const agreement = attempts.agreement();
      return agreement?.slot.startMs === startMs && others.length > 0 ? agreement : undefined;
    },
  });

  let wakeMs = Number.POSITIVE_INFINITY;
  /** Whether something may be signed that is not put in: the process ended before that, or the store failed. */
  let mayBeLeft = true;
  const putInWhatIsLeft = (): void => {
    const left = store.lastSigned();
    if (left !== undefined && left.signed !== '' && left.epoch > (store.latest()?.epoch ?? -1))
      signatures.own(left);
    mayBeLeft = false;
  };
  const attempt = (): boolean => {
    if (stop.signal.aborted) return true;
    try {
      if (mayBeLeft) putInWhatIsLeft();
      const nowMs = clock.now();
      // not later than now: the clock may have been set back
      dueSince = Math.min(dueSince ?? nowMs, nowMs);
      const outcome = attempts.step(nowMs, nowMs - dueSince);
      const over = outcome.kind === 'issued' || outcome.kind === 'not-due';
      if (over || (outcome.kind === 'held-up' && isOfClock(outcome.holdup))) dueSince = undefined;
      wakeMs = 'wakeMs' in outcome ? (outcome.wakeMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
      holdup = noted(outcome, holdup, log);
      return true;
    } catch (error) {
      failed(error);
      mayBeLeft = true;
      return false;
    }
  };

  /** When fewer nodes begin to be enough, if that is still to come. */
  const endOfPatience = (): number => {
    const end = dueSince === undefined ? 0 : dueSince + patienceMs(config.epochSeconds);
    return end > clock.now() ? end : Number.POSITIVE_INFINITY;
  };

  const beat = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const done = attempt();
      const soon = done ? Math.min(endOfPatience(), wakeMs) : clock.now() + storeRetryMs;
      waiting = new AbortController();
      const either = AbortSignal.any([stop.signal, waiting.signal]);
      const next = table.next(clock.now());
      const early = others.length > 0 && next - aheadMs > clock.now() ? next - aheadMs : next;
      await clock.wait(Math.min(early, soon), either).catch((error: unknown) => {
        if (!either.aborted) throw error;
      });
    }
  };

  if (others.length > 0) {
    tellKept(store, members, alarms, { epoch: table.epochAt(now()), epochSeconds });
    preparation.begin();
  }
  const beating = beat();
  return {
    conclude() {
      // the beat tries again what failed here, and looks anew how long to wait: the clock may have been set
      if (!attempt() || holdup !== undefined) waiting.abort();
    },
    holdup: () => holdup,
    seen: peers.seen,
    parameters() {
      const { signed, isComplete } = parameters;
      if (!isComplete) preparation.collectParameters();
      return signed === undefined ? undefined : { signed, isComplete };
    },
    receiveBallot: hearing.ballot,
    receiveSigned: hearing.document,
    passed: () => passed.list(clock.now()),
    passedOn: (digest) => passed.get(digest, clock.now()),
    signedFor: (epoch) => signatures.best(epoch),
    record: (epoch, of) => recordOf({ store, signatures }, epoch, of),
    async [Symbol.asyncDispose]() {
      stop.abort();
      attempts[Symbol.dispose]();
      await Promise.all([beating, peers[Symbol.asyncDispose](), preparation.settled()]);
    },
  };
}

/** A node that has not been heard of for long loses its name, so that names do not run out. */
function forgetSilent(store: AuthorityStore, seconds: number): void {
  store.removeAll(
    [...store.registered.values()].flatMap(({ id, descriptor }) =>
      descriptor.published + bindingSeconds < seconds ? id : [],
    ),
  );
}

/** Says what is new about an outcome, and gives what holds the issue up. */
function noted(outcome: Attempt, before: Holdup | undefined, log: Log): Holdup | undefined {
  if (outcome.kind === 'waiting') return before;
  if (outcome.kind !== 'held-up') return undefined;
  const { holdup } = outcome;
  if (holdup.kind !== before?.kind)
    log[isAlarming(holdup) ? 'error' : 'warn']('consensus held up', {
      reason: holdup.kind,
      why: explain(holdup),
    });
  return holdup;
}
