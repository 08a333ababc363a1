import type { EnvelopeCertificate } from '@postern/protocol/envelope';
import type { Geometry } from '@postern/protocol/packet';
import type { PublicKey } from 'openpgp';
import type { OutboxPacket } from './outbox/index.ts';

/** What keeps a message from being sent. Found before anything is stored or sent. */
export interface Problem {
  readonly code: ProblemCode;
  /** Whom it concerns; absent when it concerns all. */
  readonly mailbox?: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
}

export type ProblemCode =
  | 'bad-message'
  | 'too-large'
  | 'no-recipient'
  | 'bad-recipient'
  | 'not-own-mailbox'
  | 'no-own-key'
  | 'unusable-own-key'
  | 'no-recipient-key'
  | 'unusable-key'
  | 'domain-not-pinned'
  | 'unusable-record'
  | 'domain-takes-no-part'
  | 'domain-unsigned'
  | 'domain-changed'
  | 'domain-unanswered'
  | 'domain-takes-no-mix'
  | 'domain-not-served'
  | 'no-consensus'
  | 'no-route'
  | 'unknown-mix'
  | 'delay-too-long';

/** compose → seal: a message that is whole, from a mailbox of the author's. */
export interface Draft {
  /** RFC 5322, Bcc included; sealing drops that. */
  readonly message: Uint8Array;
  readonly messageId: string;
  /** The author's mailbox as the message writes it. */
  readonly from: string;
  /** Mailboxes from To, Cc and Bcc, each once. */
  readonly recipients: readonly string[];
}

/** Whom a message is sealed for. */
export interface Reader {
  readonly mailbox: string;
  readonly domain: string;
  /** The reader's own. */
  readonly certificate: PublicKey;
}

/** A recipient who can be written to now. */
export interface Addressee extends Reader {
  /** The domain's, that the gateway holds the key of. */
  readonly gateway: EnvelopeCertificate;
}

/** wrap → outbox: one packet, and the path that only the author is shown. */
export interface WrappedPacket {
  readonly packet: OutboxPacket;
  readonly path: PathTaken;
}

export interface PathTaken {
  /** Names of the mixes, the first hop first. */
  readonly hops: readonly string[];
  readonly delaysMs: readonly number[];
}

/** What the consensus says of packets that are built now. */
export interface Era {
  readonly geometry: Geometry;
  readonly epoch: number;
  /**
   * Milliseconds since 1970: a packet that no mix holds has to be with its first mix by then. Half an epoch before the mixes destroy this
   * epoch's keys, for the ways between them and for their retries.
   */
  readonly handOverEnd: number;
  /** Longest sum of a path's delays that leaves time enough to hand the packet over. */
  readonly longestDelayMs: number;
}
