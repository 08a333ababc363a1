import type { Fragment } from '@postern/protocol/envelope';
import type {
  Complete,
  Counts,
  Input,
  Settled,
  SpoolId,
  Unit,
  UnitKind,
  Verdict,
  Waiting,
} from '../../spool.ts';
import { inputTable } from './inputs.ts';
import { relayTable } from './relays.ts';
import { setTable } from './sets.ts';
import type { SlotTable } from './slots.ts';
import type { Store } from './store.ts';

/** Rows that one transaction removes at most when many have expired. */
const sweepLimit = 200;

/** What the thread can be asked. `writes` names those that run inside a transaction. */
export interface Operations {
  accept(id: SpoolId, unit: Unit): void;
  settle(input: SpoolId, verdict: Verdict, newId: SpoolId): Settled;
  finishRelay(id: SpoolId): void;
  retryRelay(id: SpoolId, dueMs: number): void;
  postponeRelay(id: SpoolId, dueMs: number): void;
  finishSet(id: SpoolId): void;
  retrySet(id: SpoolId, dueMs: number): void;
  forgetTags(epoch: number): number;
  expireRelays(): number;
  expireSets(): { removed: number; incomplete: number; undelivered: number };

  claimInputs(kind: UnitKind, limit: number, from: SpoolId): Input[];
  claimRelays(limit: number): Waiting[];
  claimSets(limit: number): Complete[];
  readRelay(id: SpoolId): Uint8Array | undefined;
  readSet(id: SpoolId): Fragment[] | undefined;
  release(ids: readonly SpoolId[]): void;
  nextRelay(): number | undefined;
  nextSet(): number | undefined;
  counts(): Counts;
  /** Overwrites what was removed, in the database and in its journal. */
  tidy(): void;
}

export const writes: ReadonlySet<keyof Operations> = new Set([
  'accept',
  'settle',
  'finishRelay',
  'retryRelay',
  'postponeRelay',
  'finishSet',
  'retrySet',
  'forgetTags',
  'expireRelays',
  'expireSets',
]);

export interface OperationsOptions {
  /** What sets that lack fragments may take together. */
  readonly unfinishedBytes: number;
  readonly cutJournal: () => void;
}

export function operations(
  store: Store,
  slots: SlotTable,
  { unfinishedBytes, cutJournal }: OperationsOptions,
): Operations {
  const inputs = inputTable(store, slots);
  const relays = relayTable(store, slots);
  const sets = setTable(store, unfinishedBytes);
  const { db, claims } = store;
  const insertTag = db.prepare('INSERT INTO tags (epoch, tag) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const oldTags = db.prepare(
    'DELETE FROM tags WHERE (epoch, tag) IN (SELECT epoch, tag FROM tags WHERE epoch < ? LIMIT 5000)',
  );

  return {
    accept: (id, { kind, bytes }) => inputs.insert(id, kind, bytes),

    settle(input, verdict, newId) {
      if (!inputs.remove(input)) return { kind: 'gone' };
      switch (verdict.kind) {
        case 'refused':
          return { kind: 'refused' };
        case 'fragment':
          return sets.add(verdict.fragment, newId);
        case 'relay': {
          if (insertTag.run(verdict.epoch, verdict.replayTag).changes === 0) return { kind: 'replayed' };
          return { kind: 'waiting', waiting: relays.insert(newId, verdict.relay) };
        }
      }
    },

    finishRelay: relays.finish,
    retryRelay: relays.retry,
    postponeRelay: relays.postpone,
    finishSet: sets.finish,
    retrySet: sets.retry,
    forgetTags: (epoch) => Number(oldTags.run(epoch).changes),
    expireRelays: () => relays.expire(sweepLimit),
    expireSets: () => sets.expire(sweepLimit),

    claimInputs: inputs.claim,
    claimRelays: relays.claim,
    claimSets: sets.claim,
    readRelay: relays.read,
    readSet: sets.read,
    release(ids) {
      for (const id of ids) claims.free(id);
    },
    nextRelay: relays.nextDue,
    nextSet: sets.nextDue,
    counts: () => ({ inputs: inputs.count(), relays: relays.count(), ...sets.count() }),
    tidy() {
      claims.prune(store.now);
      cutJournal();
    },
  };
}
