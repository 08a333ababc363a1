import {
  claimsIn,
  formatCertified,
  joinCertified,
  maxConsensusLength,
  readCertifiedConsensus,
} from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { Receipt } from '../ballots.ts';
import type { AuthorityStore, Issued } from '../store.ts';
import { type Ledger, type Noted, short } from './ledger.ts';
import type { Members } from './members.ts';

/** The signatures that come in for documents of late epochs, until they are enough (spec agreement 6.3). */
export interface Signatures {
  /** Puts in what this authority itself has signed. */
  own(issued: Issued): void;
  /** Takes a consensus under signatures of others. */
  receive(signed: string, nowMs: number): Receipt;
  /** The note with the most signatures of those for an epoch. */
  best(epoch: number): string | undefined;
  /** All that somebody has signed for an epoch. */
  all(epoch: number): readonly Noted[];
  /** How many have signed one document for an epoch, at most. */
  countOf(epoch: number): number;
  /** What each has signed for an epoch. */
  signedFor(epoch: number): ReadonlyMap<string, readonly string[]>;
}

export interface SignaturesOptions {
  readonly store: AuthorityStore;
  readonly members: Members;
  readonly ledger: Ledger;
  readonly alarms: Alarms;
  readonly epochSeconds: number;
  /** Called with the certificates of those who have signed a document that was taken. */
  certified(certificates: readonly string[]): void;
  /** The epoch that is agreed on at a time. */
  epochAt(nowMs: number): number;
}

/** Epochs before the one that is agreed on for which signatures are taken still. */
const lateEpochs = 2;

export function createSignatures(options: SignaturesOptions): Signatures {
  const { store, members, ledger, alarms } = options;
  const claims = new Map<string, Noted>();

  const signedFor = (epoch: number): Map<string, string[]> => {
    const said = new Map<string, string[]>();
    for (const { consensus, digest, signedBy } of claims.values()) {
      if (consensus.epoch !== epoch) continue;
      for (const name of signedBy) said.set(name, [...(said.get(name) ?? []), digest]);
    }
    return said;
  };
  const forget = (before: number): void => {
    for (const [digest, { consensus }] of claims) if (consensus.epoch < before) claims.delete(digest);
  };
  /** Two documents for one epoch under signatures of one authority are kept, and no third one of it is. */
  const accuse = (noted: Noted): boolean => {
    const { consensus, digest, signedBy } = noted;
    const before = signedFor(consensus.epoch);
    const twice = signedBy.filter((name) => before.get(name)?.some((other) => other !== digest));
    for (const name of twice) {
      const others = before.get(name) ?? [];
      for (const one of [noted, ...others.map((other) => claims.get(other) as Noted)])
        keepClaim(store, name, one);
      const both = [...others, digest].slice(0, 2).map(short).join(' and ');
      alarms.raise('signed-twice', name, `it has signed ${both} for epoch ${consensus.epoch}`);
    }
    const fresh = signedBy.filter((name) => (before.get(name)?.length ?? 0) < 2);
    return fresh.length > 0;
  };
  /** Whether it is a document that is known, under signatures of no others. */
  const addsNothing = (signed: string): boolean => {
    const said = claimsIn(signed, maxConsensusLength);
    const known = [...claims.values()].find(({ note }) => note.text === said?.text);
    return said?.names.every((name) => known?.signedBy.includes(name)) ?? false;
  };
  const put = (noted: Noted): void => {
    const known = claims.get(noted.digest);
    const joined = known === undefined ? noted : join(known, noted);
    options.certified(joined.note.signatures.map(({ certificate }) => certificate));
    // what could not be stored is not known, and counts when it comes again
    ledger.admit(joined);
    claims.set(noted.digest, joined);
  };

  return {
    signedFor,
    countOf: (epoch) =>
      Math.max(
        0,
        ...[...claims.values()].map((one) => (one.consensus.epoch === epoch ? one.signedBy.length : 0)),
      ),
    all: (epoch) => [...claims.values()].filter(({ consensus }) => consensus.epoch === epoch),
    own({ signed }) {
      const read = readCertifiedConsensus(signed, members);
      if (read.kind === 'signed') put(read);
    },
    receive(signed, nowMs) {
      // anybody can send again what is known, and others are asked again and again
      if (addsNothing(signed)) return { kind: 'known' };
      const read = readCertifiedConsensus(signed, members);
      if (read.kind === 'refused') return { kind: 'refused', reason: 'no-ballot', detail: read.detail };
      const { epoch, epochSeconds } = read.consensus;
      const target = options.epochAt(nowMs);
      if (epochSeconds !== options.epochSeconds || epoch > target || epoch < target - lateEpochs)
        return { kind: 'refused', reason: 'other-slot', detail: `epoch ${epoch} is not agreed on` };
      forget(target - lateEpochs);
      const fresh = accuse(read);
      if (!fresh && !claims.has(read.digest))
        return { kind: 'refused', reason: 'no-ballot', detail: 'who has signed it has signed two others' };
      put(read);
      return { kind: 'taken' };
    },
    best(epoch) {
      const [most] = [...claims.values()]
        .filter(({ consensus }) => consensus.epoch === epoch)
        .sort((a, b) => b.signedBy.length - a.signedBy.length);
      return most && formatCertified(most.note);
    },
  };
}

function join(known: Noted, noted: Noted): Noted {
  const note = joinCertified(known.note, noted.note);
  return { ...known, note, signedBy: note.signatures.map(({ name }) => name) };
}

function keepClaim(store: AuthorityStore, authority: string, { consensus, digest, note }: Noted): void {
  const signed = formatCertified(note);
  store.keep([{ epoch: consensus.epoch, part: 'consensus', authority, digest, signed }]);
}
