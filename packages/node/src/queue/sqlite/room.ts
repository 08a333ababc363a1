import { spoolFault } from './faults.ts';

/** All in bytes. */
export interface Room {
  /** Stored, free pages and free slots not counted. */
  readonly stored: number;
  /** What is to come in would add to the database. */
  readonly growth: number;
  /** Free pages of the database. */
  readonly free: number;
  /** The journal as it is; cutting it gives them back to the disk. */
  readonly journal: number;
  /** Free on the disk. */
  readonly disk: number;
}

export interface RoomLimits {
  /** Stored bytes beyond which nothing more is accepted. */
  readonly maxBytes: number;
  /** Bytes of the disk that accepting leaves free, so that what has been accepted can still be worked off. */
  readonly reserveBytes: number;
}

/** The journal at its longest, and a group of commits on top. */
const journalRoom = 40 * 1024 * 1024;

/**
 * Throws `NodeError` `spool-full` when nothing more may be accepted. A database never shrinks: once it has been full, what was worked
 * off is free inside it, and only its journal needs the disk.
 */
export function assertRoom(
  { stored, growth, free, journal, disk }: Room,
  { maxBytes, reserveBytes }: RoomLimits,
): void {
  if (stored > maxBytes) throw spoolFault('spool-full', 'it holds as much as it may');
  const real = disk + journal;
  if (real < Math.min(reserveBytes, journalRoom) || real + free < reserveBytes + growth)
    throw spoolFault('spool-full', 'the disk has no room left');
}
