import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { RedisConnection } from './connection.ts';
import { asRedisFault, isOfAnotherTime } from './faults.ts';
import type { Review } from './review.ts';
import { type ScriptName, scriptsWithin } from './scripts.ts';

/** BullMQ's queues. A row's job says that the row is there and when to look at it, and holds nothing. */
export const queueNames = ['packet', 'exit', 'relays', 'sets'] as const;
export type QueueName = (typeof queueNames)[number];

export interface Line {
  readonly queue: Queue;
  readonly worker: Worker;
}

/** Connections to Redis, checked when they were made. They end together, and whoever needs them makes new ones. */
export interface Session {
  readonly redis: Redis;
  readonly lines: Readonly<Record<QueueName, Line>>;
  /** Runs a script of ours; strings come as buffers. Throws `NodeError` `spool-unsafe` when Redis has another time. */
  run(name: ScriptName, head: readonly Value[], given: readonly Value[]): Promise<unknown>;
  /** Resolves once a connection has ended. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export type Value = string | number | Uint8Array;

export interface SessionOptions {
  readonly connection: RedisConnection;
  /** What all keys begin with: the spool's hash tag. */
  readonly prefix: string;
  readonly review: Pick<Review, 'assert' | 'assertTime'>;
  /** How far the clock that scripts are told of may be from that of Redis. */
  readonly skewMs: number;
  /** Rang by other processes, or by ourselves, for a queue. */
  readonly onWake: (queue: QueueName) => void;
  /** The channel that shows that this process lives. */
  readonly presence: string;
  /** How often BullMQ itself looks for jobs that nobody has worked on for long; 30 seconds when not given. */
  readonly stalledMs?: number | undefined;
}

/** A job is in a worker's hands only while its row is claimed, a moment: what is longer is a process that died. */
const lockMs = 30_000;
/**
 * Redis reads from each connection in turn, no more than a part of a packet, and syncs once for all that it read: packets that come on
 * connections of their own share a sync.
 */
const scriptConnections = 16;
/** Longest wait for an answer before Redis counts as gone. */
export const answerMs = 30_000;

/** Throws `NodeError` `spool-io` or `spool-unsafe`. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { prefix, review, skewMs, stalledMs = lockMs } = options;
  const { caFile: _, ...connection } = { caFile: undefined, ...options.connection };
  await using opened = new AsyncDisposableStack();
  const ended = Promise.withResolvers<void>();
  const connect = async (): Promise<Redis> => {
    const redis = new Redis({
      ...connection,
      lazyConnect: true,
      enableReadyCheck: false,
      // A command whose answer was lost may have been done, and is never sent twice.
      retryStrategy: () => null,
      maxRetriesPerRequest: null,
      socketTimeout: answerMs,
      connectTimeout: answerMs,
      disableClientInfo: true,
    });
    let why: unknown;
    redis.on('error', (error: unknown) => {
      why = error;
    });
    redis.once('end', () => ended.resolve());
    opened.defer(() => redis.disconnect());
    await redis.connect().catch((error: unknown) => {
      throw asRedisFault(why ?? error, options);
    });
    return redis;
  };
  try {
    const redis = await connect();
    await review.assert(redis);
    const callers = await Promise.all(Array.from({ length: scriptConnections }, connect));
    for (const caller of callers)
      for (const [name, lua] of scriptsWithin(skewMs)) caller.defineCommand(name, { numberOfKeys: 1, lua });
    let turn = 0;
    const run: Session['run'] = async (name, head, given) => {
      const caller = callers[turn++ % callers.length] as unknown as Record<string, Command>;
      try {
        return await (caller[`${name}Buffer`] as Command)(`${prefix}:spool`, ...head, ...given.map(asValue));
      } catch (error) {
        // Redis that stood still runs late what it was given in time.
        if (isOfAnotherTime(error)) await review.assertTime(redis);
        throw error;
      }
    };
    const subscriber = await connect();
    subscriber.on('message', (_channel: string, queue: QueueName) => options.onWake(queue));
    await subscriber.subscribe(`${prefix}:wake`, options.presence);
    const lines = Object.fromEntries(
      queueNames.map((name) => [
        name,
        openLine(name, { connection: redis, prefix: `${prefix}:jobs`, stalledMs }, opened),
      ]),
    ) as Record<QueueName, Line>;
    await Promise.all(
      Object.values(lines).flatMap(({ queue, worker }) => [queue.waitUntilReady(), worker.waitUntilReady()]),
    );
    for (const { worker } of Object.values(lines)) void worker.startStalledCheckTimer();
    const kept = opened.move();
    return {
      redis,
      lines,
      run,
      ended: ended.promise,
      close: () => kept.disposeAsync(),
    };
  } catch (error) {
    throw asRedisFault(error, options);
  }
}

type Command = (...values: Value[]) => Promise<unknown>;

function asValue(value: Value): Value {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : value;
}

function openLine(
  name: QueueName,
  { connection, prefix, stalledMs }: { connection: Redis; prefix: string; stalledMs: number },
  opened: AsyncDisposableStack,
): Line {
  const shared = { connection, prefix, skipVersionCheck: true };
  const queue = new Queue(name, { ...shared, streams: { events: { maxLen: 0 } } });
  const worker = new Worker(name, null, {
    ...shared,
    autorun: false,
    lockDuration: lockMs,
    stalledInterval: stalledMs,
    // A process that dies again and again is no fault of the packet.
    maxStalledCount: Number.MAX_SAFE_INTEGER,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  // The connection says so too.
  queue.on('error', () => undefined);
  worker.on('error', () => undefined);
  opened.defer(() => queue.close().catch(() => undefined));
  opened.defer(() => worker.close(true).catch(() => undefined));
  return { queue, worker };
}
