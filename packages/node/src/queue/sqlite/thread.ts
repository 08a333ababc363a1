import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { freeMemory, handedOver } from '../../handed-over.ts';
import type { SpoolId } from '../../spool.ts';
import { createClaims } from './claims.ts';
import { createCommitter, type Reply, type Request } from './commit.ts';
import { createJournal, syncWithin } from './durable.ts';
import { type Told, tellFault } from './faults.ts';
import { journalBytes } from './journal.ts';
import { operations } from './operations.ts';
import { assertRoom, type Room, type RoomLimits } from './room.ts';
import { openDatabase, pragma, spoolId } from './schema.ts';
import { slotTable } from './slots.ts';
import type { Store } from './store.ts';

/** What the spool's thread is started with. */
export interface ThreadOptions extends RoomLimits {
  readonly path: string;
  /** The id of the database, should it have to be made. */
  readonly newId: SpoolId;
  readonly leaseMs: number;
  /** Length of a unit. */
  readonly unitBytes: number;
}

export type Greeting =
  | { readonly ready: true; readonly id: SpoolId }
  | { readonly ready: false; readonly error: Told };

const groupLimit = 64;
/** After so many requests the journal is moved into the database: the more there is to move, the longer everybody waits for it. */
const moveAfter = 64;
/** Beyond so many bytes it is cut. */
const journalLimit = 32 * 1024 * 1024;
/** What sets that lack fragments may take of all that the spool may hold: anybody can begin one and never end it. */
const unfinishedShare = 0.25;
/** Nothing to do for so long, and the journal is cut. */
const idleMs = 1_000;
/** So long what was removed is overwritten at the end; the rest of it is at the next start. */
const closeMs = 10_000;
/** What was committed without a sync has one after so long. */
const unsyncedMs = 1_000;

if (parentPort !== null) serve(parentPort, workerData as ThreadOptions);

function serve(port: MessagePort, options: ThreadOptions): void {
  try {
    const work = start(options);
    const idle = setTimeout(() => work.tidy() && idle.refresh(), idleMs).unref();
    port.on('message', (first: Request | 'close') => {
      const requests = gather(port, first);
      const replies = work.answer(requests.filter((request) => request !== 'close'));
      for (const reply of replies) port.postMessage(reply, handedOver(bytesOf(reply)));
      for (const request of requests) if (request !== 'close') givenBytes(request).forEach(freeMemory);
      idle.refresh();
      if (requests.includes('close')) {
        work.close();
        port.close();
      }
    });
    port.postMessage({ ready: true, id: work.id } satisfies Greeting);
  } catch (error) {
    port.postMessage({ ready: false, error: tellFault(error) } satisfies Greeting);
    port.close();
  }
}

interface Work {
  /** The database's id. */
  readonly id: SpoolId;
  answer(requests: readonly Request[]): Reply[];
  /** Overwrites some of what was removed; true when there may be more. */
  tidy(): boolean;
  close(): void;
}

function start(options: ThreadOptions): Work {
  const { path, newId, leaseMs, unitBytes, maxBytes } = options;
  const db = openDatabase(path, newId);
  const effects: (() => void)[] = [];
  const undoings: (() => void)[] = [];
  const store: Store = {
    db,
    claims: createClaims(leaseMs),
    now: 0,
    afterCommit: (effect) => void effects.push(effect),
    afterRollback: (effect) => void undoings.push(effect),
  };
  const slots = slotTable(store, unitBytes);
  const pageBytes = pragma(db, 'page_size');
  const room = (): Room => {
    const disk = statfsSync(dirname(path));
    const free = pragma(db, 'freelist_count') * pageBytes;
    return {
      stored: pragma(db, 'page_count') * pageBytes - free - slots.freeBytes(),
      growth: slots.growthBytes(groupLimit),
      free,
      journal: journalBytes(path),
      disk: disk.bavail * disk.bsize,
    };
  };
  const journal = createJournal(db, path);
  const syncInTime = syncWithin(journal, unsyncedMs);
  const committer = createCommitter(
    db,
    store,
    operations(store, slots, {
      unfinishedBytes: maxBytes * unfinishedShare,
      journal,
    }),
    { assertRoom: () => assertRoom(room(), options), effects, journal, undoings },
  );
  let sinceMove = 0;
  const empty = (by: 'move' | 'cut'): void => {
    sinceMove = 0;
    try {
      journal[by]();
    } catch {
      // A full or failing disk: the journal stays, and whoever writes next is told.
    }
  };
  const tidy = (): boolean => {
    const [reply] = committer.answer([{ number: 0, now: store.now, name: 'overwrite', arguments: [] }]);
    const more = reply !== undefined && 'result' in reply && Number(reply.result) > 0;
    empty(more ? 'move' : 'cut');
    syncInTime();
    return more;
  };
  return {
    id: spoolId(db),
    answer(requests) {
      const replies = committer.answer(requests);
      sinceMove += requests.some(({ name }) => name === 'overwrite') ? moveAfter : requests.length;
      if (journalBytes(path) > journalLimit) empty('cut');
      else if (sinceMove >= moveAfter) empty('move');
      syncInTime();
      return replies;
    },
    tidy,
    close() {
      for (const end = performance.now() + closeMs; performance.now() < end && tidy(); );
      empty('cut');
      db.close();
    },
  };
}

function gather(port: MessagePort, first: Request | 'close'): (Request | 'close')[] {
  const requests = [first];
  while (requests.length < groupLimit) {
    const next = receiveMessageOnPort(port);
    if (next === undefined) break;
    requests.push(next.message as Request | 'close');
  }
  return requests;
}

/** What a reply hands over instead of copying: it is in nobody else's hands. */
function bytesOf(reply: Reply): Uint8Array[] {
  if (!('result' in reply)) return [];
  return ownBytes(Array.isArray(reply.result) ? reply.result : [reply.result]);
}

/** What was given to be stored, a unit's or a relay's. */
function givenBytes({ arguments: given }: Request): Uint8Array[] {
  return ownBytes([...given, ...given.map((one) => (one as { relay?: unknown } | undefined)?.relay)]);
}

function ownBytes(items: readonly unknown[]): Uint8Array[] {
  return items.flatMap((item) => {
    const bytes = item instanceof Uint8Array ? item : (item as { bytes?: unknown } | undefined)?.bytes;
    return bytes instanceof Uint8Array ? [bytes] : [];
  });
}
