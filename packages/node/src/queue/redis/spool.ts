import type { Clock, Log, Random } from '@postern/runtime';
import { type Bell, createBell } from '../../bell.ts';
import {
  claimLeaseMs,
  type Lineage,
  onGrid,
  type Spool,
  type SpoolId,
  setExpiresGridMs,
  type Unit,
} from '../../spool.ts';
import { rewriteAof } from './aof.ts';
import type { RedisConnection } from './connection.ts';
import { clockSkewMs, type Desk, openDesk } from './desk.ts';
import { isForAWhile } from './faults.ts';
import { createRelayShelf, relayFields } from './relays.ts';
import { createReturns } from './returns.ts';
import { createReview } from './review.ts';
import type { QueueName } from './session.ts';
import { createSetShelf } from './sets.ts';
import { createSettle } from './settle.ts';
import { moves } from './shelf.ts';
import { redrawInputs, touchRows } from './upkeep.ts';

export interface RedisSpoolOptions {
  readonly connection: RedisConnection;
  /** Names the spool among others in the same Redis. */
  readonly name: string;
  /** Hex: whose spool it is. */
  readonly nodeId: string;
  /** BullMQ has the system's, and this one is to say the same. */
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** How long a claim holds; 10 minutes when not given. */
  readonly leaseMs?: number;
  /** Stored bytes beyond which `accept` rejects with `spool-full`; 20 GB when not given. */
  readonly maxBytes?: number;
  /** Memory of Redis that `accept` leaves free; 64 MB when not given. */
  readonly reserveBytes?: number;
  /** The operator says that Redis is configured as it has to be, where Redis does not tell. */
  readonly vouched?: boolean;
  /** How far the clock may be from that of Redis; 30 seconds when not given. */
  readonly skewMs?: number;
  /** How often BullMQ itself looks for jobs that nobody has worked on for long; 30 seconds when not given. */
  readonly stalledMs?: number;
}

/** Rows that one script removes or changes at most when there are many. */
const sweepLimit = 200;

/**
 * The spool in Redis: rows are keys of its own, changed by scripts that each do one operation of the contract whole; BullMQ's queues say
 * what is to be worked on and when, for as many processes as like. Throws `NodeError` `spool-unsafe` when Redis is not what it has to be, `spool-foreign`,
 * `spool-io`, `spool-damaged`.
 */
export async function openRedisSpool(options: RedisSpoolOptions): Promise<Spool> {
  const { connection, name, nodeId, clock, random, leaseMs = claimLeaseMs } = options;
  const { maxBytes = 20_000_000_000, reserveBytes = 64_000_000, vouched = false, log } = options;
  const { skewMs = clockSkewMs, stalledMs } = options;
  const bells: Record<QueueName, Bell> = {
    packet: createBell(),
    exit: createBell(),
    relays: createBell(),
    sets: createBell(),
  };
  const prefix = `{postern:${name}}`;
  const review = createReview({
    connection,
    demands: { vouched, maxBytes, reserveBytes, skewMs },
    clock,
    log,
  });
  const desk = await openDesk({
    connection,
    prefix,
    nodeId,
    clock,
    random,
    log,
    leaseMs,
    review,
    skewMs,
    reserveBytes,
    stalledMs,
    onWake: (queue) => bells[queue].ring(),
  });
  const context = { desk, clock, leaseMs, maxBytes, bells };
  const relays = createRelayShelf(context);
  const sets = createSetShelf(context);

  const untilNone = async (step: () => Promise<number>): Promise<number> => {
    let total = 0;
    for (let done = await step(); done > 0; done = await step()) total += done;
    return total;
  };
  const forget = (what: 'forgetSets' | 'forgetReturns' | 'forgetComplaints'): Promise<number> =>
    untilNone(async () => Number(await desk.ask(what, sweepLimit)));

  return {
    id: desk.id,
    relays,
    sets,
    returns: createReturns(context),
    shared: {
      lineage: createLineage(desk),
      newestKey: async ({ fingerprint, since }) => String(await desk.ask('newestKey', fingerprint, since)),
      takeTurn: (everyMs) => takeTurn(desk, prefix, everyMs),
      review: () => desk.use(({ redis }) => review.again(redis)),
    },
    settle: createSettle(context),
    accept: (unit) => accept(desk, unit, maxBytes),
    async claimInputs(kind, limit) {
      const taken = await desk.claim(kind, limit);
      return taken.map(({ id, fields: [bytes, attested] }) => {
        const domain = String(attested);
        return {
          id,
          kind,
          bytes: new Uint8Array(bytes ?? []),
          ...(domain === '' ? {} : { attested: domain }),
        };
      });
    },
    releaseInputs: (ids) => releaseInputs(desk, ids),
    wakeInputs: (kind, signal) => bells[kind].wait(signal),
    async resumeDeferred() {
      await untilNone(async () => {
        const resumed = await desk.act('resume', [sweepLimit], (ids: Buffer[]) =>
          ids.flatMap((id) => {
            const row = { queue: 'exit', id: String(id) } as const;
            return [{ kind: 'add', ...row } as const, { kind: 'move', ...row } as const];
          }),
        );
        return resumed.length;
      });
    },
    async send(relay) {
      const id = desk.newId();
      const fields = relayFields(relay);
      await desk.add('send', [maxBytes, id, ...fields.values], () => [
        { kind: 'add', queue: 'relays', id, atMs: fields.dueMs },
      ]);
    },
    async submit({ relay, token, author, tokenExpiresMs }) {
      const id = desk.newId();
      const { values } = relayFields(relay, token);
      const carried = relay.next.kind === 'domain' ? 1 : 0;
      const expires = onGrid(tokenExpiresMs, setExpiresGridMs);
      const given = [maxBytes, author, expires, carried, token, id, ...values];
      const answer = await desk.add('submit', given, (said) =>
        String(said) === 'submitted' ? [{ kind: 'add', queue: 'relays', id }] : [],
      );
      return String(answer) as 'submitted' | 'foreign-token';
    },
    forgetTags: async (epoch) => void (await desk.ask('forgetTags', epoch)),
    async sweep() {
      const dropped = await untilNone(async () => {
        const ids = await desk.act('expire', [sweepLimit], (gone: Buffer[]) =>
          gone.map((id) => ({ kind: 'remove', queue: 'relays', id: String(id) }) as const),
        );
        return ids.length;
      });
      await forget('forgetSets');
      await forget('forgetReturns');
      await forget('forgetComplaints');
      await desk.recover();
      await redrawInputs(desk, random);
      await desk.use(async ({ redis }, stop) => {
        await rewriteAof(redis, stop);
        await review.again(redis);
        await touchRows(redis, prefix);
      });
      return { relays: dropped };
    },
    // Redis syncs before it answers.
    sync: async () => void (await desk.ask('nothing')),
    async counts() {
      const [inputs = 0, relayed = 0, fragments = 0, deliveries = 0] = (await desk.ask('counts')) as number[];
      return { inputs, relays: relayed, fragments, deliveries };
    },
    async alive() {
      try {
        await desk.ask('counts');
      } catch (error) {
        if (!isForAWhile(error) || !desk.isKept()) throw error;
      }
    },
    broken: desk.broken,
    close: desk.close,
    [Symbol.asyncDispose]: desk.close,
  };
}

function createLineage(desk: Desk): Lineage {
  const ask = async (lineage: string): Promise<string | undefined> => {
    const named = (await desk.ask('lineage', lineage)) as Buffer | null;
    return named === null ? undefined : String(named);
  };
  return { read: () => ask(''), claim: async (lineage) => (await ask(lineage)) ?? '' };
}

/** Whoever comes first once the time is nearly over: one process is not to wait for itself. */
function takeTurn(desk: Desk, prefix: string, everyMs: number): Promise<boolean> {
  const lapse = Math.floor(everyMs * 0.9);
  return desk.use(async ({ redis }) => (await redis.set(`${prefix}:turn`, '', 'PX', lapse, 'NX')) !== null);
}

async function accept(desk: Desk, { kind, bytes, attested = '' }: Unit, maxBytes: number): Promise<void> {
  const id = desk.newId();
  await desk.add('accept', [id, kind, attested, maxBytes, bytes], () => [{ kind: 'add', queue: kind, id }]);
}

/** Ids alone do not say which kind they are. */
async function releaseInputs(desk: Desk, ids: readonly SpoolId[]): Promise<void> {
  for (const queue of ['packet', 'exit'] as const) await desk.act('release', [queue, ...ids], moves(queue));
}
