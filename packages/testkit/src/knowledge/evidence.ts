import { hash } from 'node:crypto';
import type { Sending } from '../adversary/recorder.ts';
import { seenIn } from '../adversary/recorder.ts';
import { ehloName } from '../adversary/smtp-wire.ts';
import type { TappedConnection } from '../adversary/tap.ts';
import type { Cast } from './cast.ts';
import type { Party } from './table.ts';
import type { Shelf } from './waiting.ts';

/**
 * How a party has come to know something: it lies in its folder, stands in its log, shows in its metrics; it was sent it, sent
 * it on, or said it back to whoever had sent it; or it passed on a wire.
 */
export type How = (typeof hows)[number];

export const hows = ['at rest', 'log', 'metrics', 'received', 'sent', 'answered', 'wire'] as const;

/**
 * What in particular a piece is, where the search has to prove that it saw just that: a spool's files as they lie, rows that waited in one,
 * as SQLite reads them, what lies in a spool once nothing waits there any more, a mail server's queue, or a message inside TLS.
 */
export type Part = 'spool' | Shelf | 'left' | 'queue' | 'message';

/** Bytes that a party has or had. */
export interface Piece {
  readonly party: Party;
  /** Whose it is: a process by its name, a person by their mailbox, the end of a wire that takes. */
  readonly owner: string;
  readonly how: How;
  readonly part?: Part;
  /** For people: a path, or whose wire. */
  readonly where: string;
  readonly bytes: Uint8Array;
}

/** Everything that was gathered, each content once for each owner, party and way. */
export interface Evidence {
  readonly pieces: readonly Piece[];
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

  const add = (piece: Piece): void => {
    const key = [piece.party, piece.owner, piece.how, piece.part, hash('sha256', piece.bytes)].join();
    if (seen.has(key)) return;
    seen.add(key);
    pieces.push(piece);
  };

  return {
    pieces,
    add,
    addConnection(connection, cast) {
      const there = joined(connection, 'in');
      const back = joined(connection, 'out');
      const from = ehloName(there) ?? '';
      const wire = cast.wireParty(from, connection.name);
      const taker = cast.nodeParty(connection.name);
      const where = `${from} to ${connection.name}`;
      const owner = connection.name;
      add({ party: taker, owner, how: 'received', where, bytes: there });
      add({ party: taker, owner, how: 'answered', where, bytes: back });
      if (wire !== undefined) {
        add({ party: wire, owner, how: 'wire', where, bytes: there });
        add({ party: wire, owner, how: 'wire', where, bytes: back });
      }
      if (from === cast.author.domain) return;
      add({ party: cast.nodeParty(from), owner: from, how: 'sent', where, bytes: there });
      add({ party: cast.nodeParty(from), owner: from, how: 'received', where, bytes: back });
    },
    addDirectoryConnection(connection) {
      const owner = connection.name;
      const where = `connection to ${owner}`;
      for (const direction of ['in', 'out'] as const) {
        const bytes = joined(connection, direction);
        add({ party: 'wire: directory', owner, how: 'wire', where, bytes });
        add({ party: 'authority', owner, how: direction === 'in' ? 'received' : 'sent', where, bytes });
      }
    },
    addSending(sending, taker, cast) {
      const where = `message from ${sending.by} to ${taker}`;
      const bytes = seenIn(sending);
      const piece = { part: 'message', where, bytes } as const;
      add({ ...piece, party: cast.nodeParty(taker), owner: taker, how: 'received' });
      const byAuthor = sending.by === cast.author.mailbox;
      const party = byAuthor ? 'author' : cast.nodeParty(sending.by);
      add({ ...piece, party, owner: sending.by, how: 'sent' });
    },
  };
}

function joined({ chunks }: TappedConnection, direction: 'in' | 'out'): Buffer {
  return Buffer.concat(chunks.filter((chunk) => chunk.direction === direction).map(({ bytes }) => bytes));
}
