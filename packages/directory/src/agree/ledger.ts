import { joinSignatures, maxConsensusLength, type SignedConsensus } from '@postern/protocol/consensus';
import { isSameHead } from '@postern/protocol/log';
import type { Alarms } from '../alarms.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { AuthorityStore, Issued } from '../store.ts';
import type { Members } from './members.ts';

/** A consensus whose signatures hold, with its note. */
export interface Noted {
  readonly read: Extract<SignedConsensus, { kind: 'signed' }>;
  readonly signed: string;
}

/** What becomes of a consensus: `unlinked` when it does not follow on the newest one here. */
export type Admission = 'issued' | 'amended' | 'known' | 'too-few' | 'unlinked' | 'fork';

/** The consensuses that enough authorities have signed, each following on the one before (spec agreement 7.1). */
export interface Ledger {
  /** Durable when it says `issued`. */
  admit(noted: Noted): Admission;
  /** Takes one that a later one leads back to: whoever has signed it counted then. */
  append(noted: Omit<Noted, 'read'> & { readonly read: Omit<Noted['read'], 'kind' | 'signedBy'> }): Admission;
}

export interface LedgerOptions {
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: Pick<ConsensusLog, 'head'>;
  readonly members: Members;
  readonly alarms: Alarms;
  /** Called for each that is new. */
  issued(consensus: Noted['read']['consensus']): void;
}

export function createLedger({ store, history, members, alarms, issued }: LedgerOptions): Ledger {
  const fork = ({ read }: Noted, besides: Issued): Admission => {
    const { epoch } = read.consensus;
    const why = `${read.signedBy.join(', ')} have signed ${short(read.digest)} for epoch ${epoch}, which does not go together with ${short(besides.digest)} for epoch ${besides.epoch} here`;
    alarms.raise('fork', '', why);
    return 'fork';
  };
  /** More signatures for one that was issued. */
  const amend = (known: Issued, { read, signed }: Noted): Admission => {
    const { signingKeys } = members;
    const bounds = { signingKeys, at: read.consensus.validAfter, maxLength: maxConsensusLength };
    const joined = joinSignatures(known.signed, signed, bounds);
    if (joined === undefined || joined === known.signed) return 'known';
    store.amend({ ...known, signed: joined });
    return 'amended';
  };
  const namesLog = ({ log }: Noted['read']['consensus']): boolean => isSameHead(log, history.head());
  const append: Ledger['append'] = ({ read, signed }) => {
    const { consensus, digest } = read;
    if (consensus.previous !== (store.latest()?.digest ?? '') || !namesLog(consensus)) return 'unlinked';
    store.issue({ epoch: consensus.epoch, digest, signed });
    issued(consensus);
    return 'issued';
  };
  return {
    admit(noted) {
      const { consensus, digest, signedBy } = noted.read;
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
      return append(noted);
    },
    append,
  };
}

/** A digest as people compare it. */
export function short(digest: string): string {
  return digest === '' ? 'nothing' : digest.slice(0, 12);
}
