import type { DatabaseSync } from 'node:sqlite';
import type { Claims } from './claims.ts';

/** What the tables share. Lives in the spool's thread. */
export interface Store {
  readonly db: DatabaseSync;
  readonly claims: Claims;
  /** Milliseconds, as the request at hand brought it. */
  now: number;
  /** Runs once the transaction at hand is durable; forgotten when it is rolled back. */
  afterCommit(effect: () => void): void;
  /** Runs after every transaction that was rolled back. */
  afterRollback(effect: () => void): void;
}

export function toBlob(id: string): Uint8Array {
  return Buffer.from(id, 'hex');
}

export function toId(blob: unknown): string {
  return Buffer.from(blob as Uint8Array).toString('hex');
}
