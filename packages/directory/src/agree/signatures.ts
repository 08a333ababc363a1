import {
  claimsIn,
  formatCertified,
  joinCertified,
  maxConsensusLength,
  noteOf,
  readCertifiedConsensus,
} from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { BallotFault, Receipt } from '../ballots.ts';
import type { HeldCertificate } from '../peer-certificates.ts';
import type { AuthorityStore, Issued, Kept } from '../store.ts';
import { tellSigned } from './accuse.ts';
import type { Admission, Ledger, Noted } from './ledger.ts';
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
  /** Digests of what each has signed for an epoch, as far as it is known. */
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
  /** Called with a consensus that was issued, under the signatures that hold, its time, Unix seconds, and their certificates. */
  issued(signed: string, at: number, certificates: readonly HeldCertificate[]): void;
  /** The epoch that is agreed on at a time. */
  epochAt(nowMs: number): number;
}

/** Epochs before the one that is agreed on for which signatures are taken still. */
export const lateEpochs = 2;

const isIssued: ReadonlySet<Admission> = new Set<Admission>(['issued', 'amended', 'known']);

export function createSignatures(options: SignaturesOptions): Signatures {
  const { store, members, ledger, alarms } = options;
  const claims = new Map<string, Noted>();

  const signedFor = (epoch: number): Map<string, string[]> => {
    const said = new Map<string, string[]>();
    const add = (name: string, digest: string): void => {
      const before = said.get(name) ?? [];
      if (!before.includes(digest)) said.set(name, [...before, digest]);
    };
    // what is kept of those who have signed two was known before this process was started
    for (const { part, authority, digest } of store.keptDigests(epoch))
      if (part === 'consensus') add(authority, digest);
    for (const { consensus, digest, signedBy } of claims.values())
      if (consensus.epoch === epoch) for (const name of signedBy) add(name, digest);
    return said;
  };
  const forget = (before: number): void => {
    for (const [digest, { consensus }] of claims) if (consensus.epoch < before) claims.delete(digest);
  };
  /** Two documents for one epoch under signatures of one authority are kept, and no third one of it is. */
  const accuse = (noted: Noted): void => {
    const { consensus, digest, signedBy } = noted;
    const before = signedFor(consensus.epoch);
    for (const name of signedBy) {
      const [first, ...more] = (before.get(name) ?? []).map((one) => claims.get(one));
      if (first === undefined || first.digest === digest || more.length > 0) continue;
      store.keep([first, noted].map((one) => keptClaim(name, one)));
      tellSigned(name, members.name, consensus.epoch, [first, noted], alarms);
    }
  };
  /** What can be said of a document before anything of it is verified, which takes time; undefined when it may be new. */
  const glance = (signed: string, target: number): Receipt | undefined => {
    const said = claimsIn(signed, maxConsensusLength);
    if (said === undefined)
      return refused('no-ballot', 'it is no note with a certificate for each of its signatures');
    const known = [...claims.values()].find(({ note }) => note.text === said.text);
    // anybody can send again what is known, and others are asked again and again
    if (known !== undefined)
      return said.names.every((name) => known.signedBy.includes(name)) ? { kind: 'known' } : undefined;
    const epoch = epochOf(said.text);
    if (epoch === undefined) return refused('no-ballot', 'it is no consensus');
    if (epoch > target || epoch < target - lateEpochs)
      return refused('other-slot', `epoch ${epoch} is not agreed on`);
    const before = signedFor(epoch);
    return said.names.every((name) => (before.get(name)?.length ?? 0) >= 2)
      ? refused('no-ballot', 'who has signed it has signed two others')
      : undefined;
  };
  const put = (noted: Noted): void => {
    const known = claims.get(noted.digest);
    const joined = known === undefined ? noted : join(known, noted);
    options.certified(joined.note.signatures.map(({ certificate }) => certificate));
    // what could not be stored is not known, and counts when it comes again
    if (isIssued.has(ledger.admit(joined)))
      options.issued(
        noteOf(joined.note),
        joined.consensus.validAfter,
        joined.note.signatures.map(({ key, certificate }) => ({ key, signed: certificate })),
      );
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
      const target = options.epochAt(nowMs);
      forget(target - lateEpochs);
      const seen = glance(signed, target);
      if (seen !== undefined) return seen;
      const read = readCertifiedConsensus(signed, members);
      if (read.kind === 'refused') return refused('no-ballot', read.detail);
      const { epoch, epochSeconds } = read.consensus;
      if (epochSeconds !== options.epochSeconds)
        return refused('other-slot', `epoch ${epoch} is not of ${epochSeconds} s`);
      accuse(read);
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

function keptClaim(authority: string, { consensus, digest, note }: Noted): Kept {
  return { epoch: consensus.epoch, part: 'consensus', authority, digest, signed: formatCertified(note) };
}

/** Of which epoch a text is, if it is a consensus: the first member of its canonical JSON. */
function epochOf(text: string): number | undefined {
  const [, digits] = /^postern\.consensus\/v1\n\{"epoch":(\d{1,16}),/.exec(text.slice(0, 64)) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function refused(reason: BallotFault, detail: string): Receipt {
  return { kind: 'refused', reason, detail };
}
