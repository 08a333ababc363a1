import type { SpoolId } from '../../spool.ts';
import type { QueueName } from './session.ts';

/** What jobs need after rows have changed: nobody waits for it who has been answered. */
export interface FollowUps {
  /** Does the work, after what is under way for the same rows. */
  add(rows: readonly { readonly queue: QueueName; readonly id: SpoolId }[], work: () => Promise<void>): void;
  /** Resolves once what is under way now has been done, of one queue or of all. */
  done(queue?: QueueName): Promise<void>;
}

/** `onFailure`: something has failed; its rows are in the outbox, or their jobs in this process's hands. */
export function createFollowUps(onFailure: () => void): FollowUps {
  const underWay = new Map<Promise<void>, ReadonlySet<QueueName>>();
  const latest = new Map<SpoolId, Promise<void>>();
  return {
    add(rows, work) {
      const before = rows.flatMap(({ id }) => latest.get(id) ?? []);
      const running = Promise.all(before)
        .then(work)
        .catch(onFailure)
        .finally(() => {
          underWay.delete(running);
          for (const { id } of rows) if (latest.get(id) === running) latest.delete(id);
        });
      for (const { id } of rows) latest.set(id, running);
      underWay.set(running, new Set(rows.map(({ queue }) => queue)));
    },
    async done(queue) {
      const all = [...underWay].filter(([, queues]) => queue === undefined || queues.has(queue));
      await Promise.all(all.map(([running]) => running));
    },
  };
}
