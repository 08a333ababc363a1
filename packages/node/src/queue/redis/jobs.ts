import type { Random } from '@postern/runtime';
import type { SpoolId } from '../../spool.ts';
import { createAcks } from './acks.ts';
import type { QueueName, Session, Value } from './session.ts';

/** What a job needs so that it says what its row says: to be made, to be moved to a time, or to go. */
export interface Chore {
  readonly kind: 'add' | 'move' | 'remove';
  readonly queue: QueueName;
  readonly id: SpoolId;
  /** When the row is to be looked at; 0 for at once. */
  readonly atMs?: number;
  /** The row is in its caller's hands: nobody needs to be woken. */
  readonly held?: boolean;
}

export interface Jobs {
  /** Does all of it, and whatever BullMQ keeps of order and time beside it goes. */
  run(session: Session, chores: readonly Chore[]): Promise<void>;
  /** Jobs that may be taken now, in this process's hands. Throws only when it has got none; others may be in its hands all the same. */
  take(session: Session, queue: QueueName, limit: number): Promise<SpoolId[]>;
  /** Gives a job that was taken its time, unless somebody reclaimed it: then it is looked at again anyway. */
  later(session: Session, queue: QueueName, id: SpoolId, atMs: number): Promise<void>;
  /** The same of a job that was taken and whose row wants none: it goes. */
  end(session: Session, queue: QueueName, id: SpoolId): Promise<void>;
  /** Jobs that `process` has in its hands: it has died, or lost sight of them. */
  reclaim(session: Session, process: string): Promise<void>;
}

/** What BullMQ's functions say of a job that is not there, or not where it was looked for. */
const missing = -1;
const elsewhere = -3;
/** The same, or of a lock that is not there, or another's. */
const taken: ReadonlySet<unknown> = new Set([missing, -2, elsewhere, -6]);
/** Every job is of the same moment; of 0 BullMQ makes the present. */
const made = 1;
/** BullMQ's bound. */
const priorities = 2 ** 21 - 1;
/** Jobs that are asked for at one time. */
const takenAtOnce = 64;

/** Where an input comes in the order in which they are taken. */
export function drawPriority(random: Random): number {
  return 1 + (Buffer.from(random.bytes(4)).readUInt32BE() % priorities);
}

export function createJobs(context: {
  readonly random: Random;
  /** Names this process: who holds a job's lock. */
  readonly process: () => string;
  readonly head: () => readonly Value[];
}): Jobs {
  const { random, process, head } = context;
  const acks = createAcks(head);

  /** Inputs are taken in an order of chance, the others by due time. Where none has come yet, the job lies there from the start. */
  const add = async ({ lines }: Session, { queue, id, atMs = 0 }: Chore): Promise<void> => {
    const input = queue === 'packet' || queue === 'exit';
    await lines[queue].queue.add(queue, null, {
      jobId: id,
      timestamp: made,
      // Of a list BullMQ keeps the order in which jobs came, of delayed ones that of their times.
      ...(input && atMs === 0 ? {} : { delay: Math.max(1, atMs - made) }),
      ...(input ? { priority: drawPriority(random) } : {}),
      removeOnComplete: true,
      removeOnFail: true,
    });
  };

  const move = async (session: Session, chore: Chore): Promise<void> => {
    const { queue, id, atMs = 0 } = chore;
    const backend = session.lines[queue].queue.getBackend();
    try {
      await backend.changeDelay(id, Math.max(0, atMs - Date.now()));
    } catch (error) {
      const code = codeOf(error);
      if (code === missing) await add(session, chore);
      // Somebody is about to look at it.
      else if (code !== elsewhere) throw error;
    }
  };

  const one = async (session: Session, chore: Chore): Promise<void> => {
    if (chore.kind === 'add') await add(session, chore);
    else if (chore.kind === 'move') await move(session, chore);
    // In somebody's hands it is not removed: they find that the row has gone.
    else await session.lines[chore.queue].queue.remove(chore.id, { removeChildren: false });
  };

  return {
    async run(session, chores) {
      await Promise.all(chores.map((chore) => one(session, chore)));
      const byQueue = Map.groupBy(chores, ({ queue }) => queue);
      const done = [...byQueue].map(([queue, all]) => {
        const ids = all.map(({ id }) => id);
        return acks.add(
          session,
          queue,
          ids,
          all.some(({ kind, held }) => kind !== 'remove' && held !== true),
        );
      });
      await Promise.all(done);
    },

    async take(session, queue, limit) {
      const ready = Number(await session.run('ready', head(), [queue]));
      const { worker } = session.lines[queue];
      const asked = Array.from({ length: Math.min(limit, ready, takenAtOnce) }, () =>
        worker.getNextJob(process(), { block: false }),
      );
      const got = await Promise.allSettled(asked);
      const ids = got.flatMap((one) => (one.status === 'fulfilled' && one.value?.id ? [one.value.id] : []));
      const failed = got.find((one) => one.status === 'rejected');
      if (ids.length === 0 && failed !== undefined) throw failed.reason;
      return ids;
    },

    async later(session, queue, id, atMs) {
      const backend = session.lines[queue].worker.getBackend();
      await unlessTaken(backend.moveToDelayed(id, atMs, 0, process(), { skipAttempt: true }));
      await acks.add(session, queue, [id], false);
    },

    async end(session, queue, id) {
      const job = await session.lines[queue].queue.getJob(id);
      if (job !== undefined) await unlessTaken(job.moveToCompleted('', process(), false));
      await acks.add(session, queue, [id], false);
    },

    async reclaim(session, holder) {
      for (const [name, { queue, worker }] of Object.entries(session.lines)) {
        const ids = await session.redis.lrange(queue.toKey('active'), 0, -1);
        const locks = await Promise.all(ids.map((id) => session.redis.get(`${queue.toKey(id)}:lock`)));
        const theirs = ids.filter((_, at) => locks[at] === holder);
        for (const id of theirs) {
          const moved = worker.getBackend().moveToDelayed(id, 1, 0, holder, { skipAttempt: true });
          if (await unlessTaken(moved)) await acks.add(session, name as QueueName, [id], true);
        }
      }
    },
  };
}

/** False when the job is not in the hands any more that it was thought to be in. */
async function unlessTaken(moving: Promise<unknown>): Promise<boolean> {
  try {
    await moving;
    return true;
  } catch (error) {
    if (taken.has(codeOf(error))) return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
