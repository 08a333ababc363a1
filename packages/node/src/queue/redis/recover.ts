import { redisFault } from './faults.ts';
import type { Chore, Jobs } from './jobs.ts';
import type { QueueName, Session, Value } from './session.ts';

/** What joins rows, their jobs and the processes that hold them, after any of those has died at any step. */
export interface Recovery {
  /** Frees what processes hold that are there no more: nobody listens under their name, or it is one that the caller had before. */
  bury(session: Session, former?: ReadonlySet<string>): Promise<void>;
  /** Frees what one process holds. */
  leave(session: Session, process: string): Promise<void>;
  /** Makes the jobs of all rows in the outbox say what the rows say. */
  reconcile(session: Session): Promise<void>;
  /** Makes the job of a row again, should that want one and have none. */
  mend(session: Session, queue: QueueName, ids: readonly string[]): Promise<number>;
  /** Looks at every row. Makes jobs that are missing; throws `NodeError` `spool-damaged` for what no crash explains. */
  check(session: Session): Promise<void>;
}

const atOnce = 500;

export function createRecovery(context: {
  readonly prefix: string;
  readonly jobs: Jobs;
  readonly head: () => readonly Value[];
}): Recovery {
  const { prefix, jobs, head } = context;

  const lives = async ({ redis }: Session, process: string): Promise<boolean> => {
    const [, listening] = (await redis.pubsub('NUMSUB', presenceOf(prefix, process))) as [string, number];
    return Number(listening) > 0;
  };
  const bury: Recovery['bury'] = async (session, former) => {
    for (const process of await session.redis.smembers(`${prefix}:processes`)) {
      if (!former?.has(process) && (await lives(session, process))) continue;
      // In this order: whoever dies in between leaves its name, under which the next one finds the jobs.
      await jobs.reclaim(session, process);
      await session.run('bury', head(), [process]);
    }
  };

  const reconcile: Recovery['reconcile'] = async (session) => {
    const members = await session.redis.smembers(`${prefix}:outbox`);
    for (const some of pieces(members)) {
      const wants = ((await session.run('wants', head(), some)) as Buffer[]).map(String);
      const named = some.map((member) => member.split(':') as [QueueName, string]);
      const chores = named.flatMap(([queue, id], at): Chore[] => {
        if (wants[at] === 'gone') return [{ kind: 'remove', queue, id }];
        return [{ kind: 'move', queue, id, atMs: Number(wants[at]) }];
      });
      await jobs.run(session, chores);
    }
  };

  const mend: Recovery['mend'] = async (session, queue, ids) => {
    const mended = Number(await session.run('mend', head(), [queue, ...ids]));
    if (mended > 0) await reconcile(session);
    return mended;
  };

  /** Every row of a list, as many at a time as are looked at together. */
  const each = async (
    session: Session,
    list: string,
    table: string,
    queues: readonly QueueName[],
  ): Promise<void> => {
    const scan = session.redis.sscanStream(`${prefix}:${list}`, { count: atOnce });
    for await (const ids of scan as AsyncIterable<string[]>) {
      if (ids.length === 0) continue;
      const wrong = Number(await session.run('inspect', head(), [list, table, ...ids]));
      if (wrong > 0)
        throw redisFault('spool-damaged', `${wrong} of its ${table}s lack what they are to have`);
      for (const queue of queues) await mend(session, queue, ids);
    }
  };

  return {
    bury,
    reconcile,
    mend,
    async leave(session, process) {
      await session.run('bury', head(), [process]);
      await reconcile(session);
    },
    async check(session) {
      await each(session, 'inputs', 'input', ['packet', 'exit']);
      await each(session, 'relays', 'relay', ['relays']);
      await each(session, 'open', 'set', []);
      await each(session, 'complete', 'set', ['sets']);
    },
  };
}

/** The channel that a process listens to while it lives. */
export function presenceOf(prefix: string, process: string): string {
  return `${prefix}:process:${process}`;
}

function pieces<Of>(all: readonly Of[]): Of[][] {
  return Array.from({ length: Math.ceil(all.length / atOnce) }, (_, at) =>
    all.slice(at * atOnce, (at + 1) * atOnce),
  );
}
