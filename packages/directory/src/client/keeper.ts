import { staleEpochs, type Told, verifyConsensus } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
import type { ConsensusCache } from './cache.ts';
import {
  collectAhead,
  collectConsensus,
  type Directory,
  type Held,
  trustOf,
  type VerifiedConsensus,
} from './collect.ts';
import { DirectoryError, errorOf, type Failure } from './errors.ts';
import { followAll, lastOf, objectionTo, type Taken } from './follow.ts';
import { createForks } from './fork.ts';
import { createListener, type Heard } from './hear.ts';
import { describeSkew, isOff } from './skew.ts';
import { type Plan, planFor } from './window.ts';

/** Keeps the consensus of this moment, in memory and on disk. */
export interface Keeper {
  /** The fresh one; else a newer one; else the one that is valid still. Throws `DirectoryError`. */
  current(): Promise<VerifiedConsensus>;
  /** Asks the directory. Throws `DirectoryError` when it gives nothing valid. */
  refresh(): Promise<VerifiedConsensus>;
  /** As `current`; while that is fresh and the time has come, the next one is fetched as well. */
  renew(): Promise<VerifiedConsensus>;
  /** When `renew` has something to do again, milliseconds; what has passed already when there is none to use. */
  renewAt(): number;
  /** The one at hand while it is valid. */
  valid(): Promise<VerifiedConsensus | undefined>;
  /** Those taken of late, as they were signed, by epoch; one fetched ahead among them. None when they are not to be used. */
  documents(): ReadonlyMap<number, Held>;
  /** Holds what a node goes by against what is known here. */
  hear(told: Told): Promise<Heard>;
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
  let next: Held | undefined;
  let plan: (Plan & { readonly digest: string; readonly isDone: boolean }) | undefined;
  let askAgainAt = 0;
  let failingSince: number | undefined;
  const taken = new Map<number, Held>();
  const forks = createForks(directory, { cache, clock, log });
  const nowMs = (): number => clock.now();
  const now = (): number => Math.floor(clock.now() / 1_000);
  const isFresh = ({ consensus }: Held): boolean => now() < consensus.freshUntil;

  const keep = (document: Held): void => {
    taken.set(document.consensus.epoch, document);
    for (const epoch of taken.keys())
      if (epoch < document.consensus.epoch - staleEpochs - 1) taken.delete(epoch);
  };

  /** What is in memory or on disk, as far as it is valid, and otherwise why it is not. */
  const recall = (): { valid?: Held; expired?: Failure } => {
    if (held !== undefined && isFresh(held)) return { valid: held };
    // in this order: what another process stores in between is newer than what was seen, never older
    const last = cache.seen();
    const signed = cache.signed();
    if (signed === undefined) return {};
    const verified = verifyConsensus(signed, { ...trustOf(directory), now: now(), last: lastOf(last) });
    if (verified.kind === 'consensus') {
      const { consensus, geometry, digest } = verified;
      held = { consensus, geometry, digest, signed };
      keep(held);
      return { valid: held };
    }
    log.debug('cached consensus refused', { why: verified.reason });
    if (verified.reason !== 'expired') return {};
    return { expired: { url: 'the one at hand', reason: 'stale', detail: verified.detail } };
  };

  /** Remembers a document before it is used. Another process may have gone on meanwhile: then what that one stored. */
  const settle = async (found: Taken): Promise<Held> => {
    const { document, seen } = found;
    if (cache.seen()?.digest === document.digest) return document;
    const objection = await cache.store(document.signed, seen, (last): Failure | undefined =>
      objectionTo(found, last),
    );
    if (objection === undefined) return document;
    held = undefined;
    const { valid } = objection.reason === 'rollback' ? recall() : {};
    return valid ?? fail([{ ...objection, documents: [document.signed] }]);
  };

  const fail = async (failures: readonly Failure[]): Promise<never> => {
    failingSince ??= clock.now();
    const forked = failures.filter(({ reason }) => reason === 'fork');
    if (forked.length > 0) {
      const others = [cache.signed() ?? [], [...taken.values()].map(({ signed }) => signed)].flat();
      await forks.prove([...forked.flatMap(({ documents = [] }) => documents), ...others]);
    }
    const since =
      failingSince < clock.now() ? `, and none was given since ${new Date(failingSince).toISOString()}` : '';
    throw errorOf(`there is no consensus to use${since}`, failures);
  };

  const take = async (found: Taken): Promise<Held> => {
    held = await settle(found);
    keep(held);
    failingSince = undefined;
    if (!isFresh(held)) askAgainAt = clock.now() + holdBack(held);
    return held;
  };

  const refresh = shared(async () => {
    forks.assertNone();
    const { valid, expired } = recall();
    const seen = cache.seen();
    const { found, failures, aheadMs } = await collectConsensus(directory, { nowMs, seen, held: valid });
    if (isOff(aheadMs)) log.warn('the clock here is off', { is: describeSkew(aheadMs) });
    if (found === undefined) return fail(expired === undefined ? failures : [...failures, expired]);
    return shown(await take(found));
  });

  /** What was fetched ahead, once its epoch has begun. */
  const begin = async (): Promise<Held | undefined> => {
    const document = next;
    if (document === undefined || now() < document.consensus.validAfter) return undefined;
    next = undefined;
    if (now() >= document.consensus.validUntil) return undefined;
    const source = { url: 'the one fetched ahead', document, fetched: true };
    const { found, failures } = await followAll(directory, cache.seen(), [source]);
    if (failures.some(({ reason }) => reason === 'fork')) return fail(failures);
    return found && take(found);
  };

  /** What another process has taken for an epoch may not be another document than the one fetched ahead. */
  const assertAgreed = async (valid: Held): Promise<void> => {
    const ahead = next;
    if (ahead === undefined || ahead.consensus.epoch > valid.consensus.epoch) return;
    next = undefined;
    if (ahead.consensus.epoch < valid.consensus.epoch || ahead.digest === valid.digest) return;
    const detail = `another consensus for epoch ${ahead.consensus.epoch} was fetched before it began`;
    const documents = [valid.signed, ahead.signed];
    await fail([{ url: 'the one at hand', reason: 'fork', detail, documents }]);
  };

  const current = shared(async () => {
    forks.assertNone();
    const { valid } = recall();
    if (valid !== undefined) await assertAgreed(valid);
    if (valid !== undefined && (isFresh(valid) || clock.now() < askAgainAt)) return shown(valid);
    const begun = await begin();
    if (begun !== undefined) return shown(begun);
    if (valid === undefined) return refresh();
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

  /** The plan for the consensus at hand, drawn once for each. */
  const planNow = (): typeof plan => {
    if (held === undefined) return undefined;
    if (plan?.digest !== held.digest)
      plan = {
        ...planFor(held.consensus, directory.authorities.length, directory.random),
        digest: held.digest,
        isDone: false,
      };
    return plan;
  };

  const renew = shared(async () => {
    forks.assertNone();
    const { valid } = recall();
    if (valid !== undefined) await assertAgreed(valid);
    const due = planNow();
    if (valid === undefined || due === undefined || !isFresh(valid)) return current();
    if (due.aheadAt === undefined || due.isDone || clock.now() < due.aheadAt) return shown(valid);
    plan = { ...due, isDone: true };
    const { found, failures } = await collectAhead(directory, valid, { nowMs, seen: cache.seen() });
    if (failures.some(({ reason }) => reason === 'fork')) return fail(failures);
    next = found;
    return shown(valid);
  });

  const hear = createListener(directory, {
    clock,
    prove: forks.prove,
    known(epoch) {
      recall();
      return taken.get(epoch);
    },
  });

  return {
    current,
    refresh,
    hear,
    documents() {
      if (cache.fork() !== undefined) return new Map();
      return next === undefined ? taken : new Map([...taken, [next.consensus.epoch, next]]);
    },
    renew,
    renewAt() {
      const due = planNow();
      if (held === undefined || due === undefined) return clock.now();
      if (next !== undefined && isFresh(held)) return held.consensus.freshUntil * 1_000;
      return due.isDone || due.aheadAt === undefined ? due.afterAt : due.aheadAt;
    },
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
