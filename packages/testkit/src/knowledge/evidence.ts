import { hash } from 'node:crypto';
import type { Sending } from '../adversary/recorder.ts';
import { seenIn } from '../adversary/recorder.ts';
import { ehloName } from '../adversary/smtp-wire.ts';
import type { TappedConnection } from '../adversary/tap.ts';
import type { Cast } from './cast.ts';
import type { Party } from './table.ts';

/**
 * How a party has come to know something: it lies in its folder, stands in its log, shows in its metrics; it was sent it, sent
 * it on, or said it back to whoever had sent it; or it passed on a wire.
 */
export type How = 'at rest' | 'log' | 'metrics' | 'received' | 'sent' | 'answered' | 'wire';

/** Bytes that a party has or had. */
export interface Piece {
  readonly party: Party;
  readonly how: How;
  /** For people: a path, or whose wire. */
  readonly where: string;
  readonly bytes: Uint8Array;
}

/** Everything that was gathered, each content once for each party and way. */
export interface Evidence {
  readonly pieces: readonly Piece[];
  readonly totalBytes: number;
  add(piece: Piece): void;
  /** A connection to a node: on the wire, and as what its two ends sent and were sent. */
  addConnection(connection: TappedConnection, cast: Cast): void;
  /** A connection to the authority, which is not encrypted. */
  addDirectoryConnection(connection: TappedConnection): void;
  /** A message inside TLS, between its sender and its taker. */
  addSending(sending: Sending, taker: string, cast: Cast): void;
}

export function createEvidence(): Evidence {
  const pieces: Piece[] = [];
  const seen = new Set<string>();
  let totalBytes = 0;

  const add = (piece: Piece): void => {
    const key = `${piece.party} ${piece.how} ${hash('sha256', piece.bytes)}`;
    if (seen.has(key)) return;
    seen.add(key);
    pieces.push(piece);
    totalBytes += piece.bytes.length;
  };

  return {
    pieces,
    get totalBytes() {
      return totalBytes;
    },
    add,
    addConnection(connection, cast) {
      const there = joined(connection, 'in');
      const back = joined(connection, 'out');
      const from = ehloName(there) ?? '';
      const wire = cast.wireParty(from, connection.name);
      const taker = cast.nodeParty(connection.name);
      const where = `${from} to ${connection.name}`;
      add({ party: taker, how: 'received', where, bytes: there });
      add({ party: taker, how: 'answered', where, bytes: back });
      if (wire !== undefined) {
        add({ party: wire, how: 'wire', where, bytes: there });
        add({ party: wire, how: 'wire', where, bytes: back });
      }
      if (from === cast.author.domain) return;
      add({ party: cast.nodeParty(from), how: 'sent', where, bytes: there });
      add({ party: cast.nodeParty(from), how: 'received', where, bytes: back });
    },
    addDirectoryConnection(connection) {
      const where = `connection to ${connection.name}`;
      for (const direction of ['in', 'out'] as const) {
        const bytes = joined(connection, direction);
        add({ party: 'wire: directory', how: 'wire', where, bytes });
        add({ party: 'authority', how: direction === 'in' ? 'received' : 'sent', where, bytes });
      }
    },
    addSending(sending, taker, cast) {
      const where = `message from ${sending.by} to ${taker}`;
      const bytes = seenIn(sending);
      add({ party: cast.nodeParty(taker), how: 'received', where, bytes });
      const byAuthor = sending.by === cast.author.mailbox;
      add({ party: byAuthor ? 'author' : cast.nodeParty(sending.by), how: 'sent', where, bytes });
    },
  };
}

function joined({ chunks }: TappedConnection, direction: 'in' | 'out'): Buffer {
  return Buffer.concat(chunks.filter((chunk) => chunk.direction === direction).map(({ bytes }) => bytes));
}
