import type { Fragment } from '@postern/protocol/envelope';
import type {
  Complaints,
  Complete,
  Counts,
  ExpiredSet,
  Input,
  Letter,
  Relay,
  Return,
  Returns,
  Settled,
  SpoolId,
  Submission,
  Unit,
  UnitKind,
  Verdict,
  Waiting,
} from '../../spool.ts';
import type { Request } from './commit.ts';
import { complaintTable } from './complaints.ts';
import type { Journal } from './durable.ts';
import { inputTable } from './inputs.ts';
import { relayTable } from './relays.ts';
import { returnTable } from './returns.ts';
import { setTable } from './sets.ts';
import type { SlotTable } from './slots.ts';
import type { Store } from './store.ts';

/** Rows that one transaction removes or changes at most when there are many. */
const sweepLimit = 200;

/** What the thread can be asked. `writes` names those that run inside a transaction. */
export interface Operations {
  accept(id: SpoolId, unit: Unit): void;
  settle(input: SpoolId, verdict: Verdict, newId: SpoolId): Settled;
  resumeDeferred(): number;
  submit(relayId: SpoolId, submission: Submission): 'submitted' | 'foreign-token';
  tell(letter: Letter, relay: SpoolId | undefined): 'told' | 'unknown-token';
  send(id: SpoolId, relay: Relay): void;
  finishRelay(id: SpoolId): void;
  retryRelay(id: SpoolId, dueMs: number): void;
  postponeRelay(id: SpoolId, dueMs: number): void;
  finishSet(id: SpoolId, report: Relay | undefined, reportId: SpoolId): void;
  retrySet(id: SpoolId, dueMs: number): void;
  forgetTags(epoch: number): number;
  expireRelays(): number;
  forgetSets(): number;
  forgetReturns(): number;
  forgetComplaints(): number;
  /** Overwrites some of the slots whose content was removed, and says how many. */
  overwrite(): number;

  claimInputs(kind: UnitKind, limit: number, from: SpoolId): Input[];
  claimRelays(limit: number): Waiting[];
  claimSets(limit: number): Complete[];
  readRelay(id: SpoolId): Uint8Array | undefined;
  claimExpiredSets(limit: number): ExpiredSet[];
  complaints(): Complaints[];
  findReturn(by: Parameters<Returns['find']>[0]): Return | undefined;
  readReturnInfo(id: SpoolId): Fragment | undefined;
  readSet(id: SpoolId): Fragment[] | undefined;
  release(ids: readonly SpoolId[]): void;
  nextRelay(): number | undefined;
  nextSet(): number | undefined;
  counts(): Counts;
  /** When it returns, what was done before is on the disk. */
  sync(): void;
  /** Overwrites what was removed of the journal. */
  tidy(): void;
}

/** Those by which something new comes in: refused when there is no room. */
export const taking: ReadonlySet<keyof Operations> = new Set(['accept', 'submit', 'send']);

export const writes: ReadonlySet<keyof Operations> = new Set([
  'accept',
  'settle',
  'resumeDeferred',
  'submit',
  'tell',
  'send',
  'finishRelay',
  'retryRelay',
  'postponeRelay',
  'finishSet',
  'retrySet',
  'forgetTags',
  'expireRelays',
  'forgetSets',
  'forgetReturns',
  'forgetComplaints',
  'overwrite',
]);

/**
 * Whether what is asked for has to be there after a crash of the machine. Transactions are kept or lost in their order, so that losing these
 * others puts an input back in the relay's place, or a relay that has been handed over back into the queue: work that is done
 * again, and whose second copy the next hop's replay tag, or the recipient's gateway, removes.
 */
export function mustLast({ name, arguments: [, verdict] }: Pick<Request, 'name' | 'arguments'>): boolean {
  if (name === 'settle') return !['relay', 'refused'].includes((verdict as Verdict).kind);
  return !repeatable.has(name);
}

const repeatable: ReadonlySet<keyof Operations> = new Set([
  'finishRelay',
  'retryRelay',
  'postponeRelay',
  'retrySet',
  'forgetTags',
  'expireRelays',
  'forgetSets',
  'forgetReturns',
  'forgetComplaints',
  'overwrite',
]);

export interface OperationsOptions {
  /** What sets that lack fragments may take together. */
  readonly unfinishedBytes: number;
  readonly journal: Pick<Journal, 'sync' | 'cut'>;
}

export function operations(
  store: Store,
  slots: SlotTable,
  { unfinishedBytes, journal }: OperationsOptions,
): Operations {
  const inputs = inputTable(store, slots);
  const relays = relayTable(store, slots);
  const sets = setTable(store, unfinishedBytes);
  const returns = returnTable(store);
  const complaints = complaintTable(store);
  const { db, claims } = store;
  const insertTag = db.prepare('INSERT INTO tags (epoch, tag) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const oldTags = db.prepare(
    'DELETE FROM tags WHERE (epoch, tag) IN (SELECT epoch, tag FROM tags WHERE epoch < ? LIMIT 5000)',
  );

  const tell = ({ token, final, mail }: Letter): 'told' | 'unknown-token' => {
    if (!returns.note(token, final)) return 'unknown-token';
    const added = sets.add(mail, token);
    if (added.kind === 'complete') store.afterCommit(() => claims.free(added.complete.id));
    return 'told';
  };

  return {
    accept: inputs.insert,

    settle(input, verdict, newId) {
      if (verdict.kind === 'deferred') return { kind: inputs.defer(input) ? 'deferred' : 'gone' };
      if (!inputs.remove(input)) return { kind: 'gone' };
      switch (verdict.kind) {
        case 'refused':
          return { kind: 'refused' };
        case 'fragment':
          return sets.add(verdict.fragment, newId);
        case 'returned':
          return { kind: tell(verdict.letter) };
        case 'complaint':
          return { kind: complaints.note(verdict.token, verdict.forgetMs) };
        case 'relay': {
          if (insertTag.run(verdict.epoch, verdict.replayTag).changes === 0) return { kind: 'replayed' };
          if (verdict.shelved !== true)
            return { kind: 'waiting', waiting: relays.insertClaimed(newId, verdict.relay) };
          relays.insert(newId, verdict.relay);
          return { kind: 'shelved' };
        }
      }
    },

    resumeDeferred: () => inputs.resume(sweepLimit),

    submit(relayId, { relay, token, author, tokenExpiresMs }) {
      if (!returns.insert(token, author, tokenExpiresMs)) return 'foreign-token';
      relays.insert(relayId, relay, token);
      if (relay.next.kind === 'domain') returns.insertCarriage(relayId, token);
      return 'submitted';
    },

    tell(letter, relay) {
      if (relay !== undefined) relays.finish(relay);
      return tell(letter);
    },

    send: relays.insert,
    finishRelay: relays.finish,
    retryRelay: relays.retry,
    postponeRelay: relays.postpone,
    finishSet(id, report, reportId) {
      // A claim may have ended meanwhile, and somebody else may have finished the set: an author is told once.
      if (sets.finish(id) && report !== undefined) relays.insert(reportId, report);
    },
    retrySet: sets.retry,
    forgetTags: (epoch) => Number(oldTags.run(epoch).changes),
    expireRelays: () => relays.expire(sweepLimit),
    forgetSets: () => sets.forget(sweepLimit),
    forgetReturns: () => returns.forget(sweepLimit),
    forgetComplaints: () => complaints.forget(sweepLimit),
    overwrite: () => slots.overwrite(sweepLimit),

    claimInputs: inputs.claim,
    claimRelays: relays.claim,
    claimSets: sets.claim,
    readRelay: relays.read,
    claimExpiredSets: sets.claimExpired,
    complaints: complaints.list,
    findReturn: returns.find,
    readReturnInfo: sets.returnInfo,
    readSet: sets.read,
    release(ids) {
      for (const id of ids) claims.free(id);
      relays.lookAnew();
    },
    nextRelay: relays.nextDue,
    nextSet: sets.nextDue,
    counts: () => ({ inputs: inputs.count(), relays: relays.count(), ...sets.count() }),
    sync: journal.sync,
    tidy() {
      claims.prune(store.now);
      relays.lookAnew();
      journal.cut();
    },
  };
}
