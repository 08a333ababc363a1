import type { AuthorityKey, Consensus } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import { type Attempt, createAttempts } from './agree/attempts.ts';
import { createLedger } from './agree/ledger.ts';
import { membersOf } from './agree/members.ts';
import { shareParameters } from './agree/parameters.ts';
import { createPeers, type Exchange, type Seen } from './agree/peers.ts';
import { createPreparation } from './agree/preparation.ts';
import { createReception } from './agree/reception.ts';
import { recordOf } from './agree/record.ts';
import { createSignatures } from './agree/signatures.ts';
import { roundMsOf, timeoutMsOf, timetable } from './agree/slots.ts';
import { type Alarm, createAlarms } from './alarms.ts';
import type { AgreementRecord, Part, Receipt } from './ballots.ts';
import type { Certificates } from './client/certificates.ts';
import type { AuthorityConfig } from './config.ts';
import { explain, type Holdup, isAlarming, isOfClock, patienceMs } from './due.ts';
import type { SigningKeys } from './keys/signing.ts';
import type { ConsensusLog } from './log/log.ts';
import type { Counters } from './observe.ts';
import type { AuthorityStore } from './store.ts';

export interface EpochsOptions {
  readonly config: AuthorityConfig;
  readonly keys: SigningKeys;
  /** All authorities, this one too. */
  readonly authorities: readonly AuthorityKey[];
  /** Of the others' signing keys. */
  readonly certificates: Certificates;
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: ConsensusLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Pick<Counters, 'consensus'>;
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
  readonly alarms: readonly Alarm[];
  /** What is known of the other authorities. */
  readonly seen: ReadonlyMap<string, Seen>;
  /** Signed by all who say the same; undefined while there is no key to sign with. While too few have signed they are looked for. */
  parameters(): { readonly signed: string; readonly isComplete: boolean } | undefined;
  /** Take what another authority sends. */
  receiveBallot(part: Part, signed: string): Receipt;
  receiveSigned(signed: string): Receipt;
  /** A document for an epoch with the signatures that have come in, be they enough or not. */
  signedFor(epoch: number): string | undefined;
  /** Everything that was said for an epoch; undefined when there is nothing. */
  record(epoch: number): AgreementRecord | undefined;
}

/** How soon to try again when a consensus could not be stored, milliseconds. */
const retryMs = 5_000;

/** Seconds without a new descriptor after which a node's names are free again. */
const bindingSeconds = 30 * 86_400;

/** Epochs for which descriptors are kept that votes have named. */
const bodyEpochs = 3;

/** Agrees on a consensus for every epoch (spec agreement 2), with others or alone (spec consensus 9.3). */
export function startEpochs(options: EpochsOptions): Epochs {
  const { config, clock, log, counters, store } = options;
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

  const alarms = createAlarms(log);
  const issued = (consensus: Consensus): void => {
    const { epoch, nodes, previous } = consensus;
    counted.add('issued');
    log.info('consensus issued', { epoch, nodes: nodes.length });
    store.dropBodies(epoch - bodyEpochs);
    // whoever was silent while the authority was silent too has had no chance to be heard
    const heard = others.length === 0 || clock.now() >= startedMs + config.epochSeconds * 1_000;
    if (heard && store.issued(epoch - 1)?.digest === previous)
      forgetSilent(store, Math.floor(clock.now() / 1_000));
    wake();
  };
  const ledger = createLedger({ store, history: options.history, members, alarms, issued });
  const { epochSeconds } = config;
  const signatures = createSignatures({ ...table, store, members, ledger, alarms, epochSeconds });
  const parameters = shareParameters(options.parameters, members, now);
  const timeoutMs = timeoutMsOf(roundMs);
  const aheadMs = 2 * timeoutMs;
  const peers = createPeers({
    others,
    exchange: options.exchange,
    clock,
    timeoutMs,
    retryMs: Math.max(50, roundMs / 10),
  });
  const failed = (error: unknown): void => {
    if (stop.signal.aborted) return;
    counted.add('failed');
    log.error('consensus not issued', { why: error instanceof Error ? error.message : String(error) });
  };
  const preparation = createPreparation({
    peers,
    members,
    store,
    ledger,
    alarms,
    parameters,
    now,
    failed,
    certificates: options.certificates,
    timetable: table,
    toleranceMs: Math.max(2_000, roundMs / 4),
    restMs: roundMs / 4,
    found: wake,
  });
  const attempts = createAttempts({
    ...options,
    members,
    store,
    alarms,
    peers,
    preparation,
    signatures,
    now,
    aheadMs,
    timetable: table,
  });
  const receive = createReception({ clock, members, preparation, roundMs });

  let wakeMs = Number.POSITIVE_INFINITY;
  const attempt = (): boolean => {
    if (stop.signal.aborted) return true;
    try {
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
      const soon = done ? Math.min(endOfPatience(), wakeMs) : clock.now() + retryMs;
      waiting = new AbortController();
      const either = AbortSignal.any([stop.signal, waiting.signal]);
      const next = table.next(clock.now());
      const early = others.length > 0 && next - aheadMs > clock.now() ? next - aheadMs : next;
      await clock.wait(Math.min(early, soon), either).catch((error: unknown) => {
        if (!either.aborted) throw error;
      });
    }
  };

  // what was signed before the process ended, and not issued
  const left = store.lastSigned();
  if (left !== undefined && left.digest !== '' && left.epoch > (store.latest()?.epoch ?? -1))
    signatures.own(left);
  if (others.length > 0) preparation.begin();
  const beating = beat();
  return {
    conclude() {
      // the beat tries again what failed here, and looks anew how long to wait: the clock may have been set
      if (!attempt() || holdup !== undefined) waiting.abort();
    },
    holdup: () => holdup,
    get alarms() {
      return alarms.standing;
    },
    seen: peers.seen,
    parameters() {
      const { signed, isComplete } = parameters;
      if (!isComplete) preparation.collectParameters();
      return signed === undefined ? undefined : { signed, isComplete };
    },
    receiveBallot: (part, signed) =>
      receive(signed, (nowMs) => {
        const slot = table.at(nowMs);
        if (attempts.agreement()?.slot.startMs !== slot?.startMs) attempt();
        const agreement = attempts.agreement();
        return agreement === undefined || agreement.slot.startMs !== slot?.startMs || others.length === 0
          ? { kind: 'refused', reason: 'not-ready', detail: 'this authority takes no part at this time' }
          : agreement.receive(part, signed, nowMs);
      }),
    receiveSigned: (signed) => receive(signed, (nowMs) => signatures.receive(signed, nowMs)),
    signedFor: (epoch) => signatures.best(epoch),
    record: (epoch) => recordOf(store, signatures, epoch),
    async [Symbol.asyncDispose]() {
      stop.abort();
      attempts[Symbol.dispose]();
      await Promise.all([beating, peers[Symbol.asyncDispose](), preparation.settled()]);
    },
  };
}

/** A node that has not been heard of for long loses its name, so that names do not run out. */
function forgetSilent(store: AuthorityStore, seconds: number): void {
  for (const { id, descriptor } of store.registered.values()) {
    if (descriptor.published + bindingSeconds < seconds) store.remove(id);
  }
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
