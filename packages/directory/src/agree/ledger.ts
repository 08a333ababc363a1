import {
  type CertifiedConsensus,
  decodeConsensus,
  joinNote,
  noteOf,
  type SignedConsensus,
} from '@postern/protocol/consensus';
import { isSameHead } from '@postern/protocol/log';
import type { Alarms } from '../alarms.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { AuthorityStore, Issued } from '../store.ts';
import type { Members } from './members.ts';

/** A consensus whose signatures hold, each with its certificate. */
export type Noted = Extract<CertifiedConsensus, { kind: 'signed' }>;

/** One that a later one leads back to. */
export interface Past {
  readonly read: Pick<Extract<SignedConsensus, { kind: 'signed' }>, 'consensus' | 'digest'>;
  /** Under signatures that hold, and no others. */
  readonly signed: string;
}

/** What becomes of a consensus: `unlinked` when it does not follow on the newest one here. */
export type Admission = 'issued' | 'amended' | 'known' | 'too-few' | 'unlinked' | 'fork';

/** The consensuses that enough authorities have signed, each following on the one before (spec agreement 7.1). */
export interface Ledger {
  /** Durable when it says `issued`. */
  admit(noted: Noted): Admission;
  /** Takes one that a later one leads back to: whoever has signed it counted then. */
  append(past: Past): Admission;
}

export interface LedgerOptions {
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: Pick<ConsensusLog, 'head'>;
  readonly members: Members;
  readonly alarms: Alarms;
  /** Called for each that is new. */
  issued(consensus: Noted['consensus']): void;
}

export function createLedger({ store, history, members, alarms, issued }: LedgerOptions): Ledger {
  const fork = (read: Noted, besides: Issued): Admission => {
    const { epoch } = read.consensus;
    const why = `${read.signedBy.join(', ')} have signed ${short(read.digest)} for epoch ${epoch}, which does not go together with ${short(besides.digest)} for epoch ${besides.epoch} here`;
    alarms.raise('fork', '', why);
    return 'fork';
  };
  /** More signatures for one that was issued. */
  const amend = (known: Issued, { note }: Noted): Admission => {
    const joined = joinNote(known.signed, note);
    if (joined === undefined || joined === known.signed) return 'known';
    store.amend({ ...known, signed: joined });
    return 'amended';
  };
  const namesLog = ({ log }: Noted['consensus']): boolean => isSameHead(log, history.head());
  const append: Ledger['append'] = ({ read, signed }) => {
    const { consensus, digest } = read;
    // a store is read again with every start: what it could not read then does not get into it
    if (decodeConsensus(signed)?.digest !== digest) return 'too-few';
    if (consensus.previous !== (store.latest()?.digest ?? '') || !namesLog(consensus)) return 'unlinked';
    store.issue({ epoch: consensus.epoch, digest, signed });
    issued(consensus);
    return 'issued';
  };
  return {
    admit(noted) {
      const { consensus, digest, signedBy } = noted;
      const { epoch, previous } = consensus;
      const known = store.issued(epoch);
      if (known?.digest === digest) return amend(known, noted);
      if (signedBy.length < members.threshold) return 'too-few';
      if (known !== undefined) return fork(noted, known);
      const latest = store.latest();
      if (latest !== undefined && epoch < latest.epoch) return fork(noted, latest);
      if (latest !== undefined && epoch === latest.epoch + 1 && previous !== latest.digest)
        return fork(noted, latest);
      if (latest !== undefined && previous === latest.digest && !namesLog(consensus))
        return fork(noted, latest);
      return append({ read: noted, signed: noteOf(noted.note) });
    },
    append,
  };
}

/** A digest as people compare it. */
export function short(digest: string): string {
  return digest === '' ? 'nothing' : digest.slice(0, 12);
}
