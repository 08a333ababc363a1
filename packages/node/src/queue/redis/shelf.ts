import type { Clock } from '@postern/runtime';
import type { Bell } from '../../bell.ts';
import { dueGridMs, onGrid, type Shelf, type SpoolId } from '../../spool.ts';
import type { Desk, Taken } from './desk.ts';
import type { Chore } from './jobs.ts';
import type { QueueName } from './session.ts';

export interface ShelfContext {
  readonly desk: Desk;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly maxBytes: number;
  readonly bells: Readonly<Record<QueueName, Bell>>;
}

type Common<Item> = Pick<Shelf<Item, unknown>, 'claim' | 'retry' | 'release' | 'nextDue' | 'wake'> & {
  again(id: SpoolId, dueMs: number, attempts: number): Promise<void>;
};

/** What relays and sets have in common. */
export function shelf<Item>(
  { desk, bells }: ShelfContext,
  queue: QueueName,
  itemFrom: (taken: Taken) => Item,
): Common<Item> {
  const again: Common<Item>['again'] = async (id, dueMs, attempts) => {
    const atMs = onGrid(dueMs, dueGridMs);
    await desk.act('again', [queue, id, atMs, attempts], (moved: number) =>
      moved === 1 ? [{ kind: 'move', queue, id, atMs }] : [],
    );
  };
  return {
    claim: async (limit) => (await desk.claim(queue, limit)).map(itemFrom),
    again,
    retry: (id, dueMs) => again(id, dueMs, 1),
    release: async (ids) => {
      if (ids.length > 0) await desk.act('release', [queue, ...ids], moves(queue));
    },
    async nextDue() {
      const due = (await desk.askIdle('nextDue', queue)) as Buffer | null;
      return due === null ? undefined : Number(due);
    },
    wake: bells[queue].wait,
  };
}

/** Ids and times by turns, as scripts give them. */
export function moves(queue: QueueName): (answer: readonly Buffer[]) => Chore[] {
  return (answer) =>
    answer.flatMap((id, at) =>
      at % 2 === 0 ? [{ kind: 'move' as const, queue, id: String(id), atMs: Number(answer[at + 1]) }] : [],
    );
}
