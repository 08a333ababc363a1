import type { SpoolId } from '../../spool.ts';
import type { QueueName, Session, Value } from './session.ts';

/** Has rows leave the outbox, and cleans up behind BullMQ, for many at a time: those that come while one such script runs share the next. */
export interface Acks {
  /** Resolves once it is done; `wake` wakes whoever waits for the queue. */
  add(session: Session, queue: QueueName, ids: readonly SpoolId[], wake: boolean): Promise<void>;
}

interface Group {
  readonly ids: Set<SpoolId>;
  wake: boolean;
  readonly done: Promise<void>;
}

export function createAcks(head: () => readonly Value[]): Acks {
  const next = new Map<QueueName, Group>();
  const running = new Map<QueueName, Promise<unknown>>();

  const flush = async (session: Session, queue: QueueName): Promise<void> => {
    await running.get(queue)?.catch(() => undefined);
    const group = next.get(queue);
    next.delete(queue);
    if (group === undefined) return;
    const script = session.run('settled', head(), [queue, group.wake ? 1 : 0, ...group.ids]);
    running.set(queue, script);
    await script;
  };

  return {
    add(session, queue, ids, wake) {
      let group = next.get(queue);
      if (group === undefined) {
        const done = Promise.resolve().then(() => flush(session, queue));
        group = { ids: new Set(), wake: false, done };
        next.set(queue, group);
      }
      for (const id of ids) group.ids.add(id);
      group.wake ||= wake;
      return group.done;
    },
  };
}
