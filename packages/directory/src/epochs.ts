import type { NoteSigner } from '@postern/protocol/codec';
import { epochAt, isStanding } from '@postern/protocol/consensus';
import type { Clock, Log, Metrics, Random } from '@postern/runtime';
import { type Agreed, agree } from './agree/agree.ts';
import type { AuthorityConfig } from './config.ts';
import type { AuthorityStore } from './store.ts';

export interface EpochsOptions {
  readonly config: AuthorityConfig;
  readonly signer: NoteSigner;
  readonly store: AuthorityStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The beat of an authority. Disposing of it ends it; afterwards nothing is issued. */
export interface Epochs extends AsyncDisposable {
  /** Issues the consensus of the current epoch when it is due and not issued yet. Never throws. */
  conclude(): void;
}

/** How soon to try again when a consensus could not be stored, milliseconds. */
const retryMs = 5_000;

/** Seconds without a new descriptor after which a node's names are free again. */
const bindingSeconds = 30 * 86_400;

/** Issues a consensus at every epoch's start, the first as soon as enough nodes have registered (spec consensus 9.3). */
export function startEpochs(options: EpochsOptions): Epochs {
  const { config, clock, log, metrics } = options;
  const stop = new AbortController();
  const counted = metrics.outcomes('postern_directory_consensus_total', 'Consensus documents, by outcome.', [
    'issued',
    'failed',
  ]);

  let waiting = new AbortController();

  const attempt = (): boolean => {
    if (stop.signal.aborted) return true;
    try {
      if (issueIfDue(options)) counted.add('issued');
      return true;
    } catch (error) {
      counted.add('failed');
      log.error('consensus not issued', { why: error instanceof Error ? error.message : String(error) });
      return false;
    }
  };

  const beat = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const done = attempt();
      const nextEpoch = (epochAt(clock.now() / 1_000, config.epochSeconds) + 1) * config.epochSeconds * 1_000;
      const wake = done ? nextEpoch : Math.min(nextEpoch, clock.now() + retryMs);
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
      // what failed here is tried again by the beat, and not only at the next epoch
      if (!attempt()) waiting.abort();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await beating;
    },
  };
}

function issueIfDue({ config, signer, store, clock, random, log }: EpochsOptions): boolean {
  const seconds = Math.floor(clock.now() / 1_000);
  const epoch = epochAt(seconds, config.epochSeconds);
  const latest = store.latest();
  if (latest !== undefined && latest.epoch >= epoch) {
    if (latest.epoch > epoch) log.warn('clock behind the last consensus', { epoch, issued: latest.epoch });
    return false;
  }
  forgetSilent(store, seconds);
  const descriptors = [...store.registered.values()].map(({ descriptor }) => descriptor);
  const standing = descriptors.filter((one) => isStanding(one, epoch, config.epochSeconds));
  if (latest === undefined && standing.length < config.bootstrap.nodes) return false;
  const agreed = agree(descriptors, {
    epoch,
    epochSeconds: config.epochSeconds,
    geometry: config.geometry,
    meanDelayMs: config.meanDelayMs,
    shared: random.bytes(32),
    previous: latest?.digest ?? '',
    revoked: config.revoked,
    signer,
  });
  store.issue(agreed);
  report(agreed, log);
  return true;
}

/** A node that has not been heard of for long loses its name, so that names do not run out. */
function forgetSilent(store: AuthorityStore, seconds: number): void {
  for (const { id, descriptor } of store.registered.values()) {
    if (descriptor.published + bindingSeconds < seconds) store.remove(id);
  }
}

function report({ consensus }: Agreed, log: Log): void {
  const { epoch, nodes, geometry } = consensus;
  log.info('consensus issued', { epoch, nodes: nodes.length });
  for (let layer = 1; layer <= geometry.hops; layer++) {
    if (!nodes.some((node) => node.layer === layer)) log.warn('no mix in a layer', { epoch, layer });
  }
}
