import type { Fragment } from '@postern/protocol/envelope';
import type { NodeError } from './errors.ts';

/** What one well-formed carriage brought, always as long as the geometry's packet. Not durable yet. */
export interface Unit {
  readonly kind: UnitKind;
  readonly bytes: Uint8Array;
  /** The domain that signed the carriage, when one did: of exit units alone. */
  readonly attested?: string;
}

/** A packet for a mix, or what the last mix made of one for a gateway; the first byte tells them apart. */
export type UnitKind = 'packet' | 'exit';

/** How long a claim holds. */
export const claimLeaseMs = 600_000;

/** Names a row of the spool. Drawn at random: it says nothing about when or where the row came from. */
export type SpoolId = string;

/** A durable unit, claimed by whoever holds this. */
export interface Input extends Unit {
  readonly id: SpoolId;
}

/** Where a relay goes: a node of the consensus, or the gateway of a domain. */
export type Next = { readonly kind: 'node'; readonly id: string /* hex */ } | NextDomain;

export interface NextDomain {
  readonly kind: 'domain';
  readonly domain: string;
  /** Whether it may go without verified TLS: only when its author allows that. */
  readonly tlsOptional?: boolean;
  /** Whether this gateway's domain answers for it: an author's, or a report. Not what a mix passes on. */
  readonly own?: boolean;
}

/** A packet or exit unit that is to leave. */
export interface Relay {
  readonly next: Next;
  readonly dueMs: number;
  readonly expiresMs: number;
  readonly bytes: Uint8Array;
}

/** A return token (spec submission 2.1), 32 hexadecimal digits. */
export type Token = string;

/** A relay of an author's own. */
export interface Submission {
  readonly relay: Relay;
  readonly token: Token;
  readonly author: string;
  /** Until when reports for the token are taken. */
  readonly tokenExpiresMs: number;
}

/** Whom a return token stands for. */
export interface Return {
  readonly token: Token;
  readonly author: string;
  /** They have been told of a delay. */
  readonly delayed: boolean;
}

/** What an author is told, as a set of one fragment for their mailbox. After a final one nothing comes any more. */
export interface Letter {
  readonly token: Token;
  readonly final: boolean;
  readonly mail: Fragment;
}

/** A durable relay, claimed by whoever holds this. Its bytes stay on disk until `read`, unless whoever stored it has them at hand. */
export interface Waiting {
  readonly id: SpoolId;
  readonly bytes?: Uint8Array;
  readonly next: Next;
  readonly dueMs: number;
  readonly expiresMs: number;
  /** Hand-overs that failed. */
  readonly attempts: number;
  /** Whose it is, when it was submitted here: they are told what becomes of it. */
  readonly token?: Token;
}

/** A relay that has waited long enough. */
export interface Due {
  readonly due: Waiting;
}

/** A set with enough fragments to be joined, claimed by whoever holds this. */
export interface Complete {
  /** The set's id, hex. */
  readonly id: SpoolId;
  readonly dueMs: number;
  readonly expiresMs: number;
  /** Deliveries that failed. */
  readonly attempts: number;
}

/** What became of an input. */
export type Verdict =
  | {
      readonly kind: 'relay';
      readonly epoch: number;
      readonly replayTag: Uint8Array;
      readonly relay: Relay;
      /** Whether it is left to whoever takes it off the shelf, and not claimed. */
      readonly shelved?: boolean;
    }
  | { readonly kind: 'fragment'; readonly fragment: Fragment }
  /** A report for an author of this domain. */
  | { readonly kind: 'returned'; readonly letter: Letter }
  /** Somebody complains of a message of this token; counted until `forgetMs`. */
  | { readonly kind: 'complaint'; readonly token: Token; readonly forgetMs: number }
  /** An exit that may be for a key which cannot be read now: kept as it is, and claimed by nobody until `resumeDeferred`. */
  | { readonly kind: 'deferred' }
  | { readonly kind: 'refused' };

/** What a verdict came to. */
export type Settled =
  /** Stored and claimed by the caller, with its exact due time. */
  | { readonly kind: 'waiting'; readonly waiting: Waiting }
  /** Stored, and claimed by nobody. */
  | { readonly kind: 'shelved' }
  /** The replay tag was there: nothing stored. */
  | { readonly kind: 'replayed' }
  /** Stored; its set needs more. */
  | { readonly kind: 'stored' }
  /** Stored, and its set is complete and claimed by the caller. */
  | { readonly kind: 'complete'; readonly complete: Complete }
  /** The fragment was there, or its set has been delivered: nothing stored. */
  | { readonly kind: 'duplicate' }
  /** The letter is a set of its own now. */
  | { readonly kind: 'told' }
  /** Counted. */
  | { readonly kind: 'complaint' }
  /** Somebody has complained of that token before: nothing stored. */
  | { readonly kind: 'known-complaint' }
  /** Nobody has that token, or they have been told: nothing stored. */
  | { readonly kind: 'unknown-token' }
  /** Nothing stored; the input waits. */
  | { readonly kind: 'deferred' }
  | { readonly kind: 'refused' }
  /** Another claimant settled this input first: nothing changed. */
  | { readonly kind: 'gone' };

/** Rows that wait, each to be taken at its due time and then finished or retried. */
export interface Shelf<Item, Content> {
  /** Up to `limit` rows that are due, those due first before others, claimed for the caller. */
  claim(limit: number): Promise<Item[]>;
  /** A row's content; nothing when the row has gone. */
  read(id: SpoolId): Promise<Content | undefined>;
  /** Removes the row for good, or does nothing when it has gone. */
  finish(id: SpoolId): Promise<void>;
  /** Counts an attempt, makes the row due again at `dueMs` and gives the claim back. */
  retry(id: SpoolId, dueMs: number): Promise<void>;
  /** Gives claims back; the rows stay as they are. */
  release(ids: readonly SpoolId[]): Promise<void>;
  /** When the first row that nobody has claimed is or was due; nothing when there is none. */
  nextDue(): Promise<number | undefined>;
  /** Resolves once a row may have become due earlier than known so far, perhaps without cause; rejects as `signal` aborts. */
  wake(signal: AbortSignal): Promise<void>;
}

export interface RelayShelf extends Shelf<Waiting, Uint8Array> {
  /** Makes the row due again at `dueMs` without an attempt, and gives the claim back. */
  postpone(id: SpoolId, dueMs: number): Promise<void>;
}

export interface SetShelf extends Shelf<Complete, Fragment[]> {
  /** Removes the set's fragments for good, remembers its id until it expires, and stores a report that is to leave. */
  finish(id: SpoolId, report?: Relay): Promise<void>;
  /** A fragment of the set that has return information; nothing when none has come. */
  returnInfo(id: SpoolId): Promise<Fragment | undefined>;
  /** Up to `limit` sets that expired before they were delivered, claimed for the caller, who finishes them. */
  claimExpired(limit: number): Promise<ExpiredSet[]>;
}

export interface ExpiredSet {
  readonly id: SpoolId;
  /** Whether all of its fragments had come. */
  readonly complete: boolean;
  readonly expiresMs: number;
}

/** Whom to tell. A gateway keeps this of its authors and nothing else. */
export interface Returns {
  /** By return token, or by the id of a relay to a domain, which its carriage bears. */
  find(by: { readonly token: Token } | { readonly carriage: SpoolId }): Promise<Return | undefined>;
  /** Makes the letter a set that is to be delivered, and removes `relay`, whatever the answer. Once for a delay, once for good. */
  tell(letter: Letter, relay?: SpoolId): Promise<'told' | 'unknown-token'>;
  /** By author and then by day. */
  complaints(): Promise<Complaints[]>;
}

/** How many messages of an author were complained of in a day. */
export interface Complaints {
  readonly author: string;
  /** Its first moment, UTC. */
  readonly dayMs: number;
  readonly count: number;
}

/** What the processes settle among each other that have one store. */
export interface Shared {
  readonly lineage: Lineage;
  /** Has the store name this key of the domain, unless it names one that came into force later; gives the fingerprint of the one that it names then. */
  newestKey(own: DomainKeyName): Promise<string>;
  /** Whether this process is the one that does now what one of them does in all that time. */
  takeTurn(everyMs: number): Promise<boolean>;
  /** Logs what this process finds wrong with the store. `sweep` does so too. */
  review(): Promise<void>;
}

export interface DomainKeyName {
  readonly fingerprint: string;
  /** Unix seconds: in force since then. */
  readonly since: number;
}

/** Which chain of mix keys the processes have that share a store: what one of them takes, each can open. */
export interface Lineage {
  /** Undefined while the spool names none. */
  read(): Promise<string | undefined>;
  /** Has the spool name this one, unless it names one; gives the one that it names then. */
  claim(lineage: string): Promise<string>;
}

export interface Counts {
  readonly inputs: number;
  readonly relays: number;
  /** Fragments of sets that are not delivered. */
  readonly fragments: number;
  /** Complete sets that are not delivered. */
  readonly deliveries: number;
}

export interface Swept {
  /** Relays that expired. */
  readonly relays: number;
}

/**
 * A node's durable memory, the same contract for every store:
 *
 * - **Durable.** When a promise resolves, what it did survives a crash of the process, and of the machine. A crash of the machine alone may
 *   undo what can be done again, of the last second and since the last `sync`: an input's becoming a relay, or being refused, the end or new due
 *   time of a relay, a set's new due time, and what was forgotten or swept. When it
 *   rejects with a `NodeError` (`spool-full`, `spool-io`), nothing of it happened; of a store behind a connection `spool-io` may also say that its answer
 *   was lost, as that to a carriage may be: then it happened whole or not at all.
 * - **Atomic.** `settle` removes the input, unless that is deferred, and stores what it became in one transaction; so does `finish`, which for a set removes its
 *   fragments and remembers its id until it expires, and `tell`.
 * - **Once.** A replay tag, a fragment's index and a delivered set's id are each taken once; the second is told so.
 * - **Claims** are held under a lease, in memory or beside the row: whoever claims must settle, finish, retry, postpone or release. A claim that outlives its
 *   lease, its claimant or the process is anybody's again, so work may be done twice and must bear it: replay tags
 *   and set ids remove the second copy, of a message but not where a mail system behind LMTP has taken it before.
 * - **Nothing joins input to output**, as far as the store has been swept: ids are random, times beside a relay lie on a coarse grid,
 *   rows have no order of insertion, and what was removed is overwritten where it lay. Until then a journal may show what
 *   came and went since the last sweep, in order of time.
 * - **Bounded.** Only claimed inputs and what `read` returns is in memory.
 *
 * Who opens a spool closes it. After `close` everything rejects with `spool-closed`.
 */
export interface Spool extends AsyncDisposable {
  /** Drawn when the store was made, and never changed: a store that lost its data has another one. */
  readonly id: SpoolId;
  /** Stores a unit. */
  accept(unit: Unit): Promise<void>;
  /** Up to `limit` inputs of a kind in random order, claimed for the caller. */
  claimInputs(kind: UnitKind, limit: number): Promise<Input[]>;
  releaseInputs(ids: readonly SpoolId[]): Promise<void>;
  /** Resolves once inputs of a kind may have come, perhaps without cause; rejects as `signal` aborts. */
  wakeInputs(kind: UnitKind, signal: AbortSignal): Promise<void>;
  settle(input: SpoolId, verdict: Verdict): Promise<Settled>;
  /** Makes inputs of all that were deferred before the call, in an earlier run too, which can be claimed again. */
  resumeDeferred(): Promise<void>;
  /** Stores an author's relay, and whom to tell of it. `foreign-token`: another author has that token, and nothing is stored. */
  submit(submission: Submission): Promise<'submitted' | 'foreign-token'>;
  /** Stores a relay of the gateway's own. */
  send(relay: Relay): Promise<void>;
  readonly relays: RelayShelf;
  readonly sets: SetShelf;
  readonly returns: Returns;
  /** Only of a store that several processes may have. */
  readonly shared?: Shared;
  /** Forgets the replay tags of epochs before `epoch`: only once their keys are gone. */
  forgetTags(epoch: number): Promise<void>;
  /**
   * Drops relays of nobody here, ids of delivered sets, return tokens and complaints that have expired and are not claimed, and overwrites
   * what was removed before. Relays with a token are left to whoever claims them, sets that were not delivered to `claimExpired`.
   */
  sweep(): Promise<Swept>;
  /**
   * When it resolves, all that was answered before survives a crash of the machine, too, and the clock is that of a store which has one. To be
   * awaited before a key goes with which inputs were opened: one that came back could not be opened again.
   */
  sync(): Promise<void>;
  counts(): Promise<Counts>;
  /**
   * Resolves while this process does its work with the store, and while the store is away and this process looks for it again and again.
   * Rejects, or stays open, when it does not.
   */
  alive(): Promise<void>;
  /** Resolves when the store cannot go on by itself and its process had better start anew; stays open otherwise. */
  readonly broken: Promise<NodeError>;
  close(): Promise<void>;
}

/** Times at rest are no finer than this, so that they do not tell packets apart. */
export const dueGridMs = 1_000;
/** A relay's: what it is kept for is counted from its arrival, whose hour it would tell. */
export const relayExpiresGridMs = 86_400_000;
export const dayMs = 86_400_000;
/** A set's, which its author chose to the hour, and a return token's. */
export const setExpiresGridMs = 3_600_000;

/** The next point of a grid, never earlier than `ms`. */
export function onGrid(ms: number, gridMs: number): number {
  return Math.ceil(ms / gridMs) * gridMs;
}
