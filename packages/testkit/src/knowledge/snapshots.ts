import { hash } from 'node:crypto';
import { readAtRest } from '../adversary/rest.ts';
import type { How } from './evidence.ts';

/** What lay somewhere at some moment. */
export interface Snapshot {
  /** Whose it was: a node's name, or a person's mailbox. */
  readonly owner: string;
  readonly how: How;
  readonly where: string;
  readonly bytes: Uint8Array;
}

/** Pictures of what lies in folders, taken again and again, since what waits now is gone a moment later. */
export interface Snapshots {
  readonly taken: readonly Snapshot[];
  take(owner: string, folder: string): Promise<void>;
}

export function createSnapshots(): Snapshots {
  const taken: Snapshot[] = [];
  const seen = new Set<string>();
  return {
    taken,
    async take(owner, folder) {
      for await (const { path, bytes } of readAtRest(folder)) {
        const where = path.slice(folder.length + 1);
        const key = `${owner} ${where} ${hash('sha256', bytes)}`;
        if (seen.has(key)) continue;
        seen.add(key);
        taken.push({ owner, how: where === 'log' ? 'log' : 'at rest', where, bytes });
      }
    },
  };
}
