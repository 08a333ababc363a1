import { verifyConsensus } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
import type { ConsensusCache } from './cache.ts';
import { collectConsensus, type Directory, type Held, trustOf, type VerifiedConsensus } from './collect.ts';
import { DirectoryError, errorOf, type Failure, reasonOf } from './errors.ts';

/** Keeps the consensus of this moment, in memory and on disk. */
export interface Keeper {
  /** The fresh one; else a newer one; else the one that is valid still. Throws `DirectoryError`. */
  current(): Promise<VerifiedConsensus>;
  /** Asks the directory. Throws `DirectoryError` when it gives nothing valid. */
  refresh(): Promise<VerifiedConsensus>;
  /** The one at hand while it is valid. */
  valid(): Promise<VerifiedConsensus | undefined>;
}

export interface KeeperDeps {
  readonly cache: ConsensusCache;
  readonly clock: Clock;
  readonly log: Log;
}

/** While nothing newer is served: how long the one at hand does without asking again, milliseconds at most. */
const holdBackMs = 30_000;

export function createKeeper(directory: Directory, { cache, clock, log }: KeeperDeps): Keeper {
  let held: Held | undefined;
  let askAgainAt = 0;
  const now = (): number => Math.floor(clock.now() / 1_000);
  const isFresh = ({ consensus }: Held): boolean => now() < consensus.freshUntil;

  /** What is in memory or on disk, as far as it is valid, and otherwise why it is not. */
  const recall = (): { valid?: Held; expired?: Failure } => {
    if (held !== undefined && isFresh(held)) return { valid: held };
    // in this order: what another process stores in between is newer than what was seen, never older
    const last = cache.seen();
    const signed = cache.signed();
    if (signed === undefined) return {};
    const verified = verifyConsensus(signed, { ...trustOf(directory), now: now(), last });
    if (verified.kind === 'consensus') {
      const { consensus, geometry, digest } = verified;
      held = { consensus, geometry, digest, signed };
      return { valid: held };
    }
    log.debug('cached consensus refused', { why: verified.reason });
    if (verified.reason !== 'expired') return {};
    return { expired: { url: 'the one at hand', reason: 'stale', detail: verified.detail } };
  };

  /** Remembers a document before it is used. Another process may have gone on meanwhile: then what that one stored. */
  const settle = async (found: Held): Promise<Held> => {
    const { signed, digest, consensus } = found;
    if (cache.seen()?.digest === digest) return found;
    const objection = await cache.store(
      signed,
      { epoch: consensus.epoch, digest },
      (last): Failure | undefined => {
        const verified = verifyConsensus(signed, { ...trustOf(directory), now: now(), last });
        if (verified.kind === 'consensus') return undefined;
        return { url: 'the one just fetched', reason: reasonOf(verified.reason), detail: verified.detail };
      },
    );
    if (objection === undefined) return found;
    held = undefined;
    const { valid } = objection.reason === 'rollback' ? recall() : {};
    if (valid === undefined) throw errorOf('there is no consensus to use', [objection]);
    return valid;
  };

  const refresh = shared(async () => {
    const { valid, expired } = recall();
    const seen = cache.seen();
    const { found, failures } = await collectConsensus(directory, { now, seen, held: valid });
    if (found === undefined)
      throw errorOf(
        'there is no consensus to use',
        expired === undefined ? failures : [...failures, expired],
      );
    held = await settle(found);
    if (!isFresh(held)) askAgainAt = clock.now() + holdBack(held);
    return shown(held);
  });

  const current = shared(async () => {
    const { valid } = recall();
    if (valid === undefined) return refresh();
    if (isFresh(valid) || clock.now() < askAgainAt) return shown(valid);
    try {
      return await refresh();
    } catch (error) {
      // two documents for one epoch are an attack, not an outage: the one at hand may be the attacker's
      if (!(error instanceof DirectoryError) || error.code === 'fork') throw error;
      if (now() >= valid.consensus.validUntil) throw error;
      log.warn('consensus not renewed', { why: error.code, epoch: valid.consensus.epoch });
      askAgainAt = clock.now() + holdBack(valid);
      return shown(valid);
    }
  });

  return {
    current,
    refresh,
    async valid() {
      const { valid } = recall();
      return valid === undefined ? undefined : shown(valid);
    },
  };
}

function holdBack({ consensus }: Held): number {
  return Math.min(holdBackMs, consensus.epochSeconds * 100);
}

function shown({ consensus, geometry, digest }: Held): VerifiedConsensus {
  return { consensus, geometry, digest };
}

/** Calls that come while one is under way share its outcome. */
function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () => {
    underWay ??= work().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}
