import { type Consensus, epochAt, isStanding } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import { agree, seal } from './agree/agree.ts';
import type { AuthorityConfig } from './config.ts';
import { explain, type Holdup, holdupOf, isAlarming, isOfClock, patienceMs } from './due.ts';
import type { SigningKeys } from './keys/signing.ts';
import type { ConsensusLog } from './log/log.ts';
import type { Counters } from './observe.ts';
import type { AuthorityStore } from './store.ts';

export interface EpochsOptions {
  readonly config: AuthorityConfig;
  readonly keys: SigningKeys;
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: ConsensusLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Pick<Counters, 'consensus'>;
  /** An epoch that the operator has found to be right. */
  readonly confirmedEpoch?: number;
}

/** The beat of an authority. Disposing of it ends it; afterwards nothing is issued. */
export interface Epochs extends AsyncDisposable {
  /** Issues the consensus of the current epoch when it is due and not issued yet. Never throws. */
  conclude(): void;
  /** Why there is no consensus of this epoch, as far as it is not a fault. */
  holdup(): Holdup | undefined;
}

/** What came of looking whether a consensus is due. */
type Attempt =
  | { readonly kind: 'issued'; readonly consensus: Consensus }
  | { readonly kind: 'not-due' }
  | { readonly kind: 'held-up'; readonly holdup: Holdup };

/** How soon to try again when a consensus could not be stored, milliseconds. */
const retryMs = 5_000;

/** Seconds without a new descriptor after which a node's names are free again. */
const bindingSeconds = 30 * 86_400;

/** Issues a consensus at every epoch's start, the first as soon as enough nodes have registered (spec consensus 9.3). */
export function startEpochs(options: EpochsOptions): Epochs {
  const { config, clock, log, counters } = options;
  const counted = counters.consensus;
  const stop = new AbortController();

  let waiting = new AbortController();
  let dueSince: number | undefined;
  let holdup: Holdup | undefined;

  const attempt = (): boolean => {
    if (stop.signal.aborted) return true;
    try {
      const now = clock.now();
      // not later than now: the clock may have been set back
      dueSince = Math.min(dueSince ?? now, now);
      const outcome = issueIfDue(options, now - dueSince);
      if (outcome.kind !== 'held-up' || isOfClock(outcome.holdup)) dueSince = undefined;
      if (outcome.kind === 'issued') counted.add('issued');
      holdup = noted(outcome, holdup, log);
      return true;
    } catch (error) {
      counted.add('failed');
      log.error('consensus not issued', { why: error instanceof Error ? error.message : String(error) });
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
      const nextEpoch = (epochAt(clock.now() / 1_000, config.epochSeconds) + 1) * config.epochSeconds * 1_000;
      const wake = Math.min(nextEpoch, done ? endOfPatience() : clock.now() + retryMs);
      waiting = new AbortController();
      const either = AbortSignal.any([stop.signal, waiting.signal]);
      await clock.wait(wake, either).catch((error: unknown) => {
        if (!either.aborted) throw error;
      });
    }
  };

  const beating = beat();
  return {
    conclude() {
      // the beat tries again what failed here, and looks anew how long to wait: the clock may have been set
      if (!attempt() || holdup !== undefined) waiting.abort();
    },
    holdup: () => holdup,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await beating;
    },
  };
}

function issueIfDue(options: EpochsOptions, waitedMs: number): Attempt {
  const { config, keys, store, history, clock, random, confirmedEpoch } = options;
  const { epochSeconds } = config;
  const seconds = Math.floor(clock.now() / 1_000);
  const epoch = epochAt(seconds, epochSeconds);
  const latest = store.latest();
  if (latest?.epoch === epoch) return { kind: 'not-due' };
  const descriptors = [...store.registered.values()]
    .map(({ descriptor }) => descriptor)
    .filter((one) => isStanding(one, epoch, epochSeconds));
  const holdup = holdupOf({
    epoch,
    epochSeconds,
    latest,
    confirmedEpoch,
    standing: descriptors.length,
    bootstrapNodes: config.bootstrap.nodes,
    waitedMs,
  });
  if (holdup !== undefined) return { kind: 'held-up', holdup };
  const signer = keys.signerFor(epoch * epochSeconds);
  if (signer === undefined)
    return { kind: 'held-up', holdup: { kind: 'no-signing-key', until: keys.validUntil() } };
  const agreement = agree(descriptors, {
    epoch,
    epochSeconds,
    geometry: config.geometry,
    meanDelayMs: config.meanDelayMs,
    shared: random.bytes(32),
    previous: latest?.digest ?? '',
    log: history.head(),
    revoked: config.revoked,
  });
  if (agreement.kind !== 'agreed') return { kind: 'held-up', holdup: agreement };
  const { consensus } = agreement;
  store.issue(seal(consensus, signer));
  // whoever was silent while the authority was silent too has had no chance to be heard
  if (latest?.epoch === epoch - 1) forgetSilent(store, seconds);
  return { kind: 'issued', consensus };
}

/** A node that has not been heard of for long loses its name, so that names do not run out. */
function forgetSilent(store: AuthorityStore, seconds: number): void {
  for (const { id, descriptor } of store.registered.values()) {
    if (descriptor.published + bindingSeconds < seconds) store.remove(id);
  }
}

/** Says what is new about an outcome, and gives what holds the issue up. */
function noted(outcome: Attempt, before: Holdup | undefined, log: Log): Holdup | undefined {
  if (outcome.kind === 'issued') {
    const { epoch, nodes } = outcome.consensus;
    log.info('consensus issued', { epoch, nodes: nodes.length });
  }
  if (outcome.kind !== 'held-up') return undefined;
  const { holdup } = outcome;
  if (holdup.kind !== before?.kind)
    log[isAlarming(holdup) ? 'error' : 'warn']('consensus held up', {
      reason: holdup.kind,
      why: explain(holdup),
    });
  return holdup;
}
