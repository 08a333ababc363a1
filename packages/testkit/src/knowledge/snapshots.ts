import { hash } from 'node:crypto';
import { readAtRest } from '../adversary/rest.ts';
import type { How, Part } from './evidence.ts';
import { readWaiting, type Waiting } from './waiting.ts';

/** What lay somewhere at some moment. */
export interface Snapshot {
  /** Whose it was: a node's name, or a person's mailbox. */
  readonly owner: string;
  readonly how: How;
  readonly where: string;
  readonly part?: Part;
  readonly bytes: Uint8Array;
}

/** Pictures of what lies in folders, taken again and again, since what waits now is gone a moment later. */
export interface Snapshots {
  readonly taken: readonly Snapshot[];
  /** Resolves to what waited in the folder's spool, if there is one. */
  take(owner: string, folder: string): Promise<Waiting>;
}

/** Where a node keeps its spool, in its folder. */
const spoolPath = 'data/spool.sqlite';
const journalPath = `${spoolPath}-wal`;

export function createSnapshots(): Snapshots {
  const taken: Snapshot[] = [];
  const seen = new Set<string>();
  const spools = new Map<string, Promise<Waiting>>();

  const keep = (snapshot: Snapshot): void => {
    const key = `${snapshot.owner} ${snapshot.where} ${hash('sha256', snapshot.bytes)}`;
    if (seen.has(key)) return;
    seen.add(key);
    taken.push(snapshot);
  };

  const openSpool = (spool: Uint8Array, journal: Uint8Array | undefined): Promise<Waiting> => {
    const key = `${hash('sha256', spool)} ${hash('sha256', journal ?? '')}`;
    const opened = spools.get(key) ?? readWaiting(spool, journal);
    spools.set(key, opened);
    return opened;
  };

  return {
    taken,
    async take(owner, folder) {
      const files = new Map<string, Uint8Array>();
      for await (const { path, bytes } of readAtRest(folder)) {
        const where = path.slice(folder.length + 1);
        files.set(where, bytes);
        keep({ owner, where, bytes, ...kindOf(where) });
      }
      const spool = files.get(spoolPath);
      if (spool === undefined) return new Map();
      const waiting = await openSpool(spool, files.get(journalPath));
      for (const [shelf, { bytes }] of waiting)
        keep({ owner, how: 'at rest', where: `${shelf} in ${spoolPath}`, part: shelf, bytes });
      return waiting;
    },
  };
}

function kindOf(where: string): Pick<Snapshot, 'how' | 'part'> {
  if (where === 'log') return { how: 'log' };
  if (where === spoolPath || where === journalPath) return { how: 'at rest', part: 'spool' };
  return { how: 'at rest' };
}
