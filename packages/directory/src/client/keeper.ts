import { isValidAt, staleEpochs, type Told, verifyConsensus } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
import { openAhead } from './ahead.ts';
import type { ConsensusCache } from './cache.ts';
import {
  collectAhead,
  collectConsensus,
  type Directory,
  type Held,
  isOfTime,
  trustOf,
  type Untimely,
  type VerifiedConsensus,
} from './collect.ts';
import { errorOf, type Failure, isOutage } from './errors.ts';
import { followAll, lastOf, objectionTo, type Taken } from './follow.ts';
import { createForks } from './fork.ts';
import { createListener, type Heard } from './hear.ts';
import type { Stored } from './recent.ts';
import { shared } from './shared.ts';
import { describeSkew, isOff } from './skew.ts';
import { createPlans } from './window.ts';
import { isWithin } from './within.ts';

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
  /** What the cache holds, verified. */
  readonly stored: () => readonly Stored[];
  readonly clock: Clock;
  readonly log: Log;
}

/** While nothing newer is served: how long the one at hand does without asking again, milliseconds at most. */
const holdBackMs = 30_000;

export function createKeeper(directory: Directory, { cache, stored, clock, log }: KeeperDeps): Keeper {
  let held: Held | undefined;
  let heldBackMs = Number.NEGATIVE_INFINITY;
  let failingSince: number | undefined;
  /** Digest of one fetched ahead for which the log was not to be had: it is asked for as any other. */
  let unfollowed: string | undefined;
  const taken = new Map<number, Held>();
  const ahead = openAhead(directory, cache);
  const forks = createForks(directory, { cache, clock, log });
  const plans = createPlans(directory.authorities.length, directory.random);
  const nowMs = (): number => clock.now();
  const now = (): number => Math.floor(clock.now() / 1_000);
  const isValid = ({ consensus }: Held): boolean => isValidAt(consensus, now());
  const isFresh = (document: Held): boolean => isValid(document) && now() < document.consensus.freshUntil;
  const isHeldBack = ({ consensus }: Held): boolean =>
    isWithin(clock.now(), heldBackMs, Math.min(holdBackMs, consensus.epochSeconds * 100));

  const keep = (document: Held): void => {
    taken.set(document.consensus.epoch, document);
    for (const epoch of taken.keys())
      if (epoch < document.consensus.epoch - staleEpochs - 1) taken.delete(epoch);
  };

  /** What is in memory or on disk, as far as it is valid, and otherwise what is not of this time. */
  const recall = async (): Promise<{ valid?: Held; untimely?: Untimely }> => {
    if (held !== undefined && isFresh(held)) return { valid: held };
    ahead.look();
    // in this order: what another process stores in between is newer than what was seen, never older
    const last = cache.seen();
    const signed = cache.signed();
    if (signed === undefined) return {};
    if (held?.signed === signed && held.digest === last?.digest && isValid(held)) return { valid: held };
    const verified = verifyConsensus(signed, { ...trustOf(directory), now: now(), last: lastOf(last) });
    if (verified.kind === 'consensus') {
      const { consensus, geometry, digest } = verified;
      const document = { consensus, geometry, digest, signed };
      const objection = ahead.objectionTo(document);
      if (objection !== undefined) return fail([objection]);
      const found = await followTo('the one at hand', document);
      return found === undefined ? {} : { valid: await remember(found) };
    }
    const { reason, detail } = verified;
    if (reason === 'fork') return fail([{ url: 'the one at hand', reason, detail, documents: [signed] }]);
    log.debug('cached consensus refused', { why: reason });
    return isOfTime(reason) ? { untimely: { url: 'the one at hand', reason, detail, signed } } : {};
  };

  /** What was verified, once it is known to follow on what was seen; undefined while the log that shows it is not to be had. */
  const followTo = async (url: string, document: Held): Promise<Taken | undefined> => {
    const source = { url, document, fetched: true };
    const { found, failures } = await followAll(directory, cache.seen(), [source]);
    return failures.some(isFork) ? fail(failures) : found;
  };

  /** Remembers a document before it is used. Another process may have gone on meanwhile: then what that one stored. */
  const settle = async (found: Taken): Promise<Held> => {
    const { document, seen } = found;
    if (cache.seen()?.digest === document.digest) return document;
    const objection = await cache.store(document.signed, seen, (last): Failure | undefined => {
      ahead.look();
      return ahead.objectionTo(document) ?? objectionTo(found, last);
    });
    if (objection === undefined) return document;
    held = undefined;
    const { valid } = objection.reason === 'rollback' ? await recall() : {};
    return valid ?? fail([{ documents: [document.signed], ...objection }]);
  };

  /** All documents that are here, the one stored last first. */
  const here = (): string[] =>
    [
      cache.signed() ?? [],
      [...taken.values()].map(({ signed }) => signed),
      cache.past(),
      ahead.after(-1)?.signed ?? [],
    ].flat();

  const fail = async (failures: readonly Failure[]): Promise<never> => {
    failingSince ??= clock.now();
    const forked = failures.filter(isFork);
    if (forked.length > 0) await forks.stop(forked, here);
    const since =
      failingSince < clock.now() ? `, and none was given since ${new Date(failingSince).toISOString()}` : '';
    throw errorOf(`there is no consensus to use${since}`, failures);
  };

  const remember = async (found: Taken): Promise<Held> => {
    const document = await settle(found);
    held = document;
    failingSince = undefined;
    keep(document);
    return document;
  };

  const take = async (found: Taken): Promise<Held> => {
    const document = await remember(found);
    if (!isFresh(document)) heldBackMs = clock.now();
    return document;
  };

  /** The one that is good still: whatever failed before was by another clock, or mattered to nobody. */
  const giveFresh = (document: Held): Promise<VerifiedConsensus> => {
    failingSince = undefined;
    return give(document);
  };

  /** For who asked: not when a fork was found while they waited. */
  const give = async ({ consensus, geometry, digest }: Held): Promise<VerifiedConsensus> => {
    await forks.assertNone();
    return { consensus, geometry, digest };
  };

  const noteSkew = (aheadMs: number | undefined): void => {
    if (isOff(aheadMs)) log.warn('the clock here is off', { is: describeSkew(aheadMs) });
  };

  const refresh = shared(async () => {
    await forks.assertNone();
    const { valid, untimely } = await recall();
    const seen = cache.seen();
    const { found, failures, aheadMs } = await collectConsensus(directory, {
      nowMs,
      seen,
      held: valid,
      ahead: ahead.after(seen?.epoch ?? -1),
      untimely,
    });
    noteSkew(aheadMs);
    if (found === undefined) return fail(failures);
    return give(await take(found));
  });

  /** What was fetched ahead, once its epoch has begun. */
  const begin = async (): Promise<Held | undefined> => {
    const document = ahead.after(cache.seen()?.epoch ?? -1);
    if (document === undefined || document.digest === unfollowed) return undefined;
    if (now() < document.consensus.validAfter || now() >= document.consensus.validUntil) return undefined;
    const found = await followTo('the one fetched ahead', document);
    if (found !== undefined) return take(found);
    unfollowed = document.digest;
    return undefined;
  };

  const current = shared(async () => {
    await forks.assertNone();
    const { valid } = await recall();
    if (valid !== undefined && isFresh(valid)) return giveFresh(valid);
    const begun = await begin();
    if (begun !== undefined) return give(begun);
    if (valid === undefined) return refresh();
    if (isHeldBack(valid)) return give(valid);
    try {
      return await refresh();
    } catch (error) {
      // two documents for one epoch are an attack, not an outage: the one at hand may be the attacker's
      if (!isOutage(error) || !isValid(valid)) throw error;
      log.warn('consensus not renewed', { why: error.code, epoch: valid.consensus.epoch });
      heldBackMs = clock.now();
      return give(valid);
    }
  });

  const renew = shared(async () => {
    await forks.assertNone();
    const { valid } = await recall();
    if (valid === undefined || !isFresh(valid)) return current();
    const { aheadAt, isDone } = plans.of(valid);
    if (next() !== undefined || isDone || aheadAt === undefined || clock.now() < aheadAt)
      return giveFresh(valid);
    const { found, failures, aheadMs } = await collectAhead(directory, valid, { nowMs, seen: cache.seen() });
    noteSkew(aheadMs);
    if (failures.some(isFork)) return fail(failures);
    const objection = found && (await ahead.keep(found));
    if (objection !== undefined) return fail([objection]);
    plans.done();
    return give(valid);
  });

  const next = (): Held | undefined => held && ahead.after(held.consensus.epoch);
  const inMemory = (): ReadonlyMap<number, Held> =>
    new Map([...taken.values(), next() ?? []].flat().map((one) => [one.consensus.epoch, one]));

  const hear = createListener(directory, {
    clock,
    prove: forks.prove,
    known: (epoch) =>
      inMemory().get(epoch) ??
      [ahead.after(-1) ?? [], stored()].flat().find(({ consensus }) => consensus.epoch === epoch),
  });

  return {
    current,
    refresh,
    hear,
    documents: () => (forks.isFound() ? new Map() : inMemory()),
    renew,
    renewAt() {
      if (held === undefined || !isValid(held)) return clock.now();
      if (next() !== undefined && isFresh(held)) return held.consensus.freshUntil * 1_000;
      const { aheadAt, afterAt, isDone } = plans.of(held);
      return isDone || aheadAt === undefined ? afterAt : aheadAt;
    },
    async valid() {
      const { valid } = await recall();
      return valid === undefined ? undefined : give(valid);
    },
  };
}

function isFork({ reason }: Failure): boolean {
  return reason === 'fork';
}
