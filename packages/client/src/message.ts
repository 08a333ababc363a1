import type { EnvelopeCertificate } from '@postern/protocol/envelope';
import type { Geometry } from '@postern/protocol/packet';
import type { RoutePlan } from '@postern/protocol/route';
import type { PublicKey } from 'openpgp';
import type { KeySource } from './keys/index.ts';
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
  | 'several-keys'
  | 'key-changed'
  | 'key-unanswered'
  | 'unusable-key'
  | 'domain-not-pinned'
  | 'unusable-record'
  | 'domain-takes-no-part'
  | 'domain-unsigned'
  | 'domain-changed'
  | 'domain-unanswered'
  | 'domain-takes-no-mix'
  | 'domain-not-served'
  | 'no-own-gateway'
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

export const sendModes = ['mix', 'direct', 'auto'] as const;
/**
 * - `mix`: through mixes, or not at all
 * - `direct`: by mail servers alone, from the author's own gateway to the recipient's, which shows them both domains
 * - `auto`: through mixes to every domain that takes that, else direct
 */
export type SendMode = (typeof sendModes)[number];

export const tlsWishes = ['require', 'prefer'] as const;
/** Direct: whether a mail server between may do without TLS, where the recipient's domain allows it too. */
export type TlsWish = (typeof tlsWishes)[number];

/** The way to one domain. */
export interface Travel {
  readonly mode: 'mix' | 'direct';
  /** Why this mode, in words. */
  readonly why: string;
  /** May go without TLS between mail servers; never with `mix`. */
  readonly tlsOptional: boolean;
}

/** Whom a message is sealed for. */
export interface Reader {
  readonly mailbox: string;
  readonly domain: string;
  /** The reader's own. */
  readonly certificate: PublicKey;
}

/** What a message to a recipient rests on. */
export interface RecipientKey {
  readonly fingerprint: string;
  /** Where it is from; `own` is the author's, `unknown` pinned before that was noted. */
  readonly source: KeySource | 'own' | 'unknown';
  /** The day on which it was pinned. */
  readonly since?: string;
  /** What the look-up for this message came to. */
  readonly news?: 'pinned-now' | 'refreshed-now';
}

/** The record of a domain that a message rests on. */
export interface RecipientDomain {
  readonly fingerprint: string;
  readonly vouchedBy: 'pinned' | 'dnssec' | 'first-use';
  readonly from: 'file' | 'cache' | 'dns';
}

/** A recipient who can be written to now. */
export interface Addressee extends Reader {
  /** The domain's, that the gateway holds the key of. */
  readonly gateway: EnvelopeCertificate;
  readonly travel: Travel;
  readonly key: RecipientKey;
  readonly record: RecipientDomain;
}

/** wrap → outbox: one packet or envelope, and the path that only the author is shown; none in direct mode. */
export interface WrappedPacket {
  readonly packet: OutboxPacket;
  readonly path?: PathTaken;
}

export interface PathTaken {
  /** Names of the mixes, the first hop first. */
  readonly hops: readonly string[];
  readonly delaysMs: readonly number[];
}

/** What packets need to travel through mixes. */
export interface Mixing {
  readonly era: Era;
  readonly routes: RoutePlan;
  /** Mean delay at each hop; 0 asks for none. */
  readonly meanDelayMs: number;
}

/** How an author with a gateway of their own is told what could not be delivered. */
export interface Returning {
  /** The author's domain. */
  readonly domain: string;
  /** A gateway of the consensus serves it: reports can come through mixes. */
  readonly served: boolean;
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
