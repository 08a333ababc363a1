import { Buffer } from 'node:buffer';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Clock, type Random, syncDirectory } from '@postern/runtime';
import { createBell } from '../../bell.ts';
import type { NodeError } from '../../errors.ts';
import {
  claimLeaseMs,
  type RelayShelf,
  type Returns,
  type SetShelf,
  type Spool,
  type SpoolId,
  type UnitKind,
} from '../../spool.ts';
import type { Reply, Request } from './commit.ts';
import { faultFrom, spoolFault } from './faults.ts';
import type { Operations } from './operations.ts';
import type { Greeting, ThreadOptions } from './thread.ts';

export interface SqliteSpoolOptions {
  /** The database file; `-wal` lies beside it while the spool is open. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Length of a unit: room is made ahead in pieces of it. */
  readonly unitBytes: number;
  /** How long a claim holds; 10 minutes when not given. */
  readonly leaseMs?: number;
  /** Stored bytes beyond which `accept` rejects with `spool-full`; 20 GB when not given. */
  readonly maxBytes?: number;
  /** Bytes of the disk that `accept` leaves free; 64 MB when not given. */
  readonly reserveBytes?: number;
}

/**
 * The spool on one machine: SQLite in a thread of its own, so that a sync holds up nobody else. One process at a time.
 * Throws `NodeError` `spool-in-use`, `spool-damaged`, `spool-io`.
 */
export async function openSqliteSpool(options: SqliteSpoolOptions): Promise<Spool> {
  const { path, clock, random } = options;
  const newId = (): SpoolId => Buffer.from(random.bytes(16)).toString('hex');
  const { thread, id } = await startThread({
    path,
    newId: newId(),
    unitBytes: options.unitBytes,
    leaseMs: options.leaseMs ?? claimLeaseMs,
    maxBytes: options.maxBytes ?? 20_000_000_000,
    reserveBytes: options.reserveBytes ?? 64_000_000,
  });
  await syncDirectory(dirname(path));
  const call = caller(thread, clock);
  const bells = { packet: createBell(), exit: createBell(), relays: createBell(), sets: createBell() };

  const untilNone = async (step: () => Promise<number>): Promise<number> => {
    let total = 0;
    for (let done = await step(); done > 0; done = await step()) total += done;
    return total;
  };

  const relays: RelayShelf = {
    claim: (limit) => call('claimRelays', limit),
    read: (id) => call('readRelay', id),
    finish: (id) => call('finishRelay', id),
    retry: (id, dueMs) => call('retryRelay', id, dueMs).then(bells.relays.ring),
    postpone: (id, dueMs) => call('postponeRelay', id, dueMs).then(bells.relays.ring),
    release: (ids) => call('release', ids).then(bells.relays.ring),
    nextDue: () => call('nextRelay'),
    wake: bells.relays.wait,
  };
  const sets: SetShelf = {
    claim: (limit) => call('claimSets', limit),
    claimExpired: (limit) => call('claimExpiredSets', limit),
    read: (id) => call('readSet', id),
    returnInfo: (id) => call('readReturnInfo', id),
    finish: (id, report) => call('finishSet', id, report, newId()).then(bells.relays.ring),
    retry: (id, dueMs) => call('retrySet', id, dueMs).then(bells.sets.ring),
    release: (ids) => call('release', ids).then(bells.sets.ring),
    nextDue: () => call('nextSet'),
    wake: bells.sets.wait,
  };
  const returns: Returns = {
    find: (by) => call('findReturn', by),
    complaints: () => call('complaints'),
    tell: (letter, relay) => call('tell', letter, relay).then(ringing(bells.sets.ring)),
  };
  const ringInputs = (): void => {
    bells.packet.ring();
    bells.exit.ring();
  };
  const close = (): Promise<void> => call.close();

  return {
    id,
    relays,
    sets,
    returns,
    send: (relay) => call('send', newId(), relay).then(bells.relays.ring),
    submit: (submission) => call('submit', newId(), submission).then(ringing(bells.relays.ring)),
    accept: (unit) => call('accept', newId(), unit).then(bells[unit.kind].ring),
    claimInputs: (kind, limit) => call('claimInputs', kind, limit, newId()),
    releaseInputs: (ids) => call('release', ids).then(ringInputs),
    wakeInputs: (kind: UnitKind, signal) => bells[kind].wait(signal),
    async settle(input, verdict) {
      const settled = await call('settle', input, verdict, newId());
      if (settled.kind === 'told') bells.sets.ring();
      if (settled.kind === 'shelved') bells.relays.ring();
      return settled;
    },
    resumeDeferred: async () =>
      void (await untilNone(() => call('resumeDeferred').then(ringing(bells.exit.ring)))),
    forgetTags: async (epoch) => void (await untilNone(() => call('forgetTags', epoch))),
    async sweep() {
      const relays = await untilNone(() => call('expireRelays'));
      await untilNone(() => call('forgetSets'));
      await untilNone(() => call('forgetReturns'));
      await untilNone(() => call('forgetComplaints'));
      await untilNone(() => call('overwrite'));
      await call('tidy');
      return { relays };
    },
    sync: () => call('sync'),
    counts: () => call('counts'),
    alive: async () => void (await call('counts')),
    broken: call.broken,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function ringing(ring: () => void): <T>(value: T) => T {
  return (value) => {
    ring();
    return value;
  };
}

interface Caller {
  <Name extends keyof Operations>(
    name: Name,
    ...given: Parameters<Operations[Name]>
  ): Promise<ReturnType<Operations[Name]>>;
  close(): Promise<void>;
  readonly broken: Promise<NodeError>;
}

/** Calls by number, answered in any order. */
function caller(thread: Worker, clock: Clock): Caller {
  const pending = new Map<number, PromiseWithResolvers<unknown>>();
  let count = 0;
  let fault: NodeError | undefined;
  const broken = Promise.withResolvers<NodeError>();
  const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  const fail = (error: NodeError): void => {
    fault ??= error;
    for (const asked of pending.values()) asked.reject(fault);
    pending.clear();
  };
  thread.on('message', (reply: Reply) => {
    const asked = pending.get(reply.number);
    pending.delete(reply.number);
    if ('error' in reply) asked?.reject(faultFrom(reply.error));
    else asked?.resolve(reply.result);
  });
  const died = (cause?: unknown): void => {
    if (fault === undefined) broken.resolve(spoolFault('spool-fault', 'its thread died', cause));
    fail(spoolFault('spool-fault', 'its thread died', cause));
  };
  thread.on('error', died);
  thread.on('exit', () => died());

  const call = (name: keyof Operations, ...given: unknown[]): Promise<unknown> => {
    if (fault !== undefined) return Promise.reject(fault);
    const request: Request = { number: count++, now: clock.now(), name, arguments: given };
    const answer = Promise.withResolvers<unknown>();
    pending.set(request.number, answer);
    thread.postMessage(request);
    return answer.promise;
  };
  const close = (): Promise<void> => {
    if (fault === undefined) {
      fault = spoolFault('spool-closed', 'it is closed');
      thread.postMessage('close');
    }
    return ended;
  };
  return Object.assign(call as unknown as Caller, { close, broken: broken.promise });
}

function startThread(workerData: ThreadOptions): Promise<{ thread: Worker; id: SpoolId }> {
  const source = import.meta.url.endsWith('.ts');
  const thread = new Worker(new URL(source ? './thread.ts' : './thread.js', import.meta.url), {
    workerData,
    execArgv: source ? ['--conditions=@postern/source'] : [],
  });
  return new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', (greeting: Greeting) => {
      thread.off('error', reject);
      if (greeting.ready) resolve({ thread, id: greeting.id });
      else reject(faultFrom(greeting.error));
    });
  });
}
