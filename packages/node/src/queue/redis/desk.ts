import type { Clock, Log, Random } from '@postern/runtime';
import type { NodeError } from '../../errors.ts';
import type { SpoolId } from '../../spool.ts';
import { createAmends } from './amends.ts';
import { asRedisFault, redisFault } from './faults.ts';
import { createFollowUps } from './follow-ups.ts';
import { type Chore, createJobs } from './jobs.ts';
import { createKeeper, final } from './keeper.ts';
import { createMemory } from './memory.ts';
import { createRecovery, presenceOf } from './recover.ts';
import type { ScriptName, Taking } from './scripts.ts';
import {
  openSession,
  type QueueName,
  queueNames,
  type Session,
  type SessionOptions,
  type Value,
} from './session.ts';

export interface DeskOptions
  extends Pick<SessionOptions, 'connection' | 'prefix' | 'review' | 'skewMs' | 'onWake' | 'stalledMs'> {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Whose spool it is. */
  readonly nodeId: string;
  readonly leaseMs: number;
  readonly reserveBytes: number;
}

/** A row that a claim has got. */
export interface Taken {
  readonly id: SpoolId;
  /** Its fields, as the script `claim` gives them. */
  readonly fields: readonly Buffer[];
}

/** Rows and their jobs, as one: what runs scripts, and sees to it that jobs follow. */
export interface Desk {
  /** The spool's id. */
  readonly id: SpoolId;
  newId(): SpoolId;
  ask(name: ScriptName, ...given: Value[]): Promise<unknown>;
  /** The same, once jobs have followed what this process did before. */
  askIdle(name: ScriptName, ...given: Value[]): Promise<unknown>;
  /** Runs a script, and then what its answer wants of jobs; the caller waits for the script alone, which is all that is durable. */
  act<Of>(name: ScriptName, given: readonly Value[], chores: (answer: Of) => readonly Chore[]): Promise<Of>;
  claim(queue: QueueName, limit: number): Promise<Taken[]>;
  /** The same for what comes in: rejects with `spool-full` when Redis has hardly any memory left. */
  add(name: Taking, given: readonly Value[], chores: (answer: Buffer) => readonly Chore[]): Promise<Buffer>;
  /** Everything of other processes that have died, and of jobs that do not say what their rows say. */
  recover(): Promise<void>;
  /** With a session, and an end to wait for when closing. */
  use<Of>(work: (session: Session, stop: AbortSignal) => Promise<Of>): Promise<Of>;
  /** As the keeper of its session says. */
  isKept(): boolean;
  readonly broken: Promise<NodeError>;
  close(): Promise<void>;
}

/** A claim's end lies on this grid: in a store that others can read it would tell when a row came. */
export const leaseGridMs = 60_000;
/** A clock may differ from that of Redis by so much: two of them are then no more than a step of the grid apart. */
export const clockSkewMs: number = leaseGridMs / 2;
const format = '1';

/** Throws `NodeError` `spool-io`, `spool-unsafe`, `spool-foreign`, `spool-damaged`. */
export async function openDesk(options: DeskOptions): Promise<Desk> {
  const { clock, random, prefix, nodeId, leaseMs, reserveBytes } = options;
  const newId = (): SpoolId => Buffer.from(random.bytes(16)).toString('hex');
  /** What this process is called from one connection to the next, and what it was called when it could hold something before. */
  let process = '';
  let held = '';
  const former = new Set<string>();
  let id = '';
  const head = (): Value[] => [prefix, id, clock.now(), process];
  const jobs = createJobs({ random, process: () => process, head });
  const recovery = createRecovery({ prefix, jobs, head });
  const memory = createMemory(clock, reserveBytes);

  const identify = async ({ redis }: Session): Promise<void> => {
    const key = `${prefix}:spool`;
    if (id === '') {
      await redis.hsetnx(key, 'format', format);
      await redis.hsetnx(key, 'id', newId());
      await redis.hsetnx(key, 'node', nodeId);
    }
    const [found, written, node] = await redis.hmget(key, 'id', 'format', 'node');
    if (id !== '' && found !== id) throw redisFault('spool-lost', 'another spool or none is there');
    if (written !== format) throw redisFault('spool-damaged', 'it is no spool of this version');
    if (node !== nodeId) throw redisFault('spool-foreign', 'another node has it');
    id = found ?? '';
  };
  let checked = false;
  const open = async (): Promise<Session> => {
    if (held !== '') former.add(held);
    process = newId();
    const session = await openSession({ ...options, presence: presenceOf(prefix, process) });
    try {
      await identify(session);
      await session.redis.sadd(`${prefix}:processes`, process);
      await recovery.bury(session, former);
      if (!checked) await recovery.check(session);
      await recovery.reconcile(session);
      // What others rang for in between was not heard.
      if (checked) for (const queue of queueNames) options.onWake(queue);
      checked = true;
      held = process;
      return session;
    } catch (error) {
      await session.close();
      throw asRedisFault(error, options);
    }
  };
  const keeper = await createKeeper(open, options.log);

  const stop = new AbortController();
  const asked = new Set<Promise<unknown>>();
  const use: Desk['use'] = (work) => {
    if (stop.signal.aborted) return Promise.reject(redisFault('spool-closed', 'it is closed'));
    const running = keeper
      .current()
      .then((session) => work(session, stop.signal))
      .catch((error: unknown) => {
        const fault = asRedisFault(error, options);
        if (final.has(fault.code)) keeper.condemn(fault);
        throw fault;
      });
    const over = Promise.withResolvers<void>();
    asked.add(over.promise);
    const end = (): void => {
      asked.delete(over.promise);
      over.resolve();
    };
    running.then(end, end);
    return running;
  };

  // The session may have been another's when it failed: then it came with all of this.
  const amends = createAmends(() =>
    use(async (session) => {
      await jobs.reclaim(session, process);
      await recovery.reconcile(session);
    }),
  );
  const followUps = createFollowUps(amends.ask);

  const hand = async (session: Session, queue: QueueName, ids: readonly SpoolId[]): Promise<Taken[]> => {
    const answers = (await session.run('claim', head(), [queue, leaseMs, leaseGridMs, ...ids])) as Buffer[][];
    const verdicts = ids.map((row, at) => {
      const [verdict, when, ...fields] = answers[at] ?? [];
      return { id: row, verdict: String(verdict), atMs: Number(when), fields };
    });
    const rows = ids.map((row) => ({ queue, id: row }));
    followUps.add(rows, async () => {
      const moved = verdicts.map(async ({ id: row, verdict, atMs }) => {
        if (verdict !== 'gone') return jobs.later(session, queue, row, atMs);
        await jobs.end(session, queue, row);
        // Meanwhile it may have been taken up again, and its job was still there.
        await recovery.mend(session, queue, [row]);
      });
      await Promise.all(moved);
    });
    return verdicts.filter(({ verdict }) => verdict === 'taken');
  };

  const act = async <Of>(
    session: Session,
    name: ScriptName,
    given: readonly Value[],
    wanted: (answer: Of) => readonly Chore[],
  ): Promise<Of> => {
    const answer = (await session.run(name, head(), given)) as Of;
    const wants = wanted(answer);
    if (wants.length > 0) followUps.add(wants, () => jobs.run(session, wants));
    return answer;
  };

  return {
    id,
    newId,
    use,
    isKept: keeper.isKept,
    broken: keeper.broken,
    ask: (name, ...given) => use((session) => session.run(name, head(), given)),
    askIdle: (name, ...given) =>
      use(async (session) => {
        await followUps.done();
        return session.run(name, head(), given);
      }),
    act: (name, given, wanted) => use((session) => act(session, name, given, wanted)),
    add: (name, given, wanted) =>
      use(async (session) => {
        await memory.assert(session);
        return act(session, name, given, wanted);
      }),
    claim: (queue, limit) =>
      use(async (session) => {
        const found: Taken[] = [];
        try {
          for (let waited = false; found.length < limit; ) {
            const ids = await jobs.take(session, queue, limit - found.length);
            if (ids.length > 0) found.push(...(await hand(session, queue, ids)));
            else if (waited) break;
            else {
              // What this process has just stored may have no job yet.
              await followUps.done(queue);
              waited = true;
            }
          }
        } catch (error) {
          amends.ask();
          // What it has got already is in its caller's hands, unless it was lost with the session.
          const current = await keeper.current().catch(() => undefined);
          if (found.length === 0 || current !== session || final.has(asRedisFault(error, options).code))
            throw error;
        }
        return found;
      }),
    recover: () =>
      use(async (session) => {
        await followUps.done();
        await recovery.bury(session, former);
        former.clear();
        await recovery.reconcile(session);
      }),
    async close() {
      stop.abort();
      await amends.stop();
      await Promise.all(asked);
      await followUps.done();
      await keeper
        .current()
        .then((session) => recovery.leave(session, process))
        // Others find that this process has gone.
        .catch(() => undefined);
      await keeper.close();
    },
  };
}
