import { parseNote } from '@postern/protocol/codec';
import { joinSignatures, maxConsensusLength, readConsensus } from '@postern/protocol/consensus';
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
  all(epoch: number): readonly { readonly digest: string; readonly signed: string }[];
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
  /** The epoch that is agreed on at a time. */
  epochAt(nowMs: number): number;
}

/** A document that somebody has signed. */
interface Claim extends Noted {
  readonly epoch: number;
}

/** Epochs before the one that is agreed on for which signatures are taken still. */
const lateEpochs = 2;

export function createSignatures(options: SignaturesOptions): Signatures {
  const { store, members, ledger, alarms } = options;
  const claims = new Map<string, Claim>();

  const signedFor = (epoch: number): Map<string, string[]> => {
    const said = new Map<string, string[]>();
    for (const { read, epoch: of } of claims.values()) {
      if (of !== epoch) continue;
      for (const name of read.signedBy) said.set(name, [...(said.get(name) ?? []), read.digest]);
    }
    return said;
  };
  const forget = (before: number): void => {
    for (const [digest, { epoch }] of claims) if (epoch < before) claims.delete(digest);
  };
  /** Two documents for one epoch under signatures of one authority are kept, and no third one of it is. */
  const accuse = (noted: Noted): boolean => {
    const { consensus, digest, signedBy } = noted.read;
    const before = signedFor(consensus.epoch);
    const twice = signedBy.filter((name) => before.get(name)?.some((other) => other !== digest));
    for (const name of twice) {
      const others = before.get(name) ?? [];
      for (const one of [noted, ...others.map((other) => claims.get(other) as Claim)])
        keepClaim(store, name, one);
      const both = [...others, digest].slice(0, 2).map(short).join(' and ');
      alarms.raise('signed-twice', name, `it has signed ${both} for epoch ${consensus.epoch}`);
    }
    const fresh = signedBy.filter((name) => (before.get(name)?.length ?? 0) < 2);
    return fresh.length > 0;
  };
  const put = (noted: Noted): void => {
    const { digest, consensus } = noted.read;
    const known = claims.get(digest);
    const joined = known === undefined ? noted : join(known, noted, members);
    claims.set(digest, { ...joined, epoch: consensus.epoch });
    ledger.admit(joined);
  };

  return {
    signedFor,
    countOf: (epoch) =>
      Math.max(0, ...[...claims.values()].map((one) => (one.epoch === epoch ? one.read.signedBy.length : 0))),
    all: (epoch) =>
      [...claims.values()].flatMap((one) =>
        one.epoch === epoch ? { digest: one.read.digest, signed: one.signed } : [],
      ),
    own({ signed }) {
      const read = readConsensus(signed, members);
      if (read.kind === 'signed') put({ read, signed });
    },
    receive(signed, nowMs) {
      // others are asked again and again, and mostly have nothing new
      if ([...claims.values()].some((known) => addsNothing(signed, known.signed))) return { kind: 'known' };
      const read = readConsensus(signed, members);
      if (read.kind === 'refused') return { kind: 'refused', reason: 'no-ballot', detail: read.detail };
      const { epoch, epochSeconds } = read.consensus;
      const target = options.epochAt(nowMs);
      if (epochSeconds !== options.epochSeconds || epoch > target || epoch < target - lateEpochs)
        return { kind: 'refused', reason: 'other-slot', detail: `epoch ${epoch} is not agreed on` };
      forget(target - lateEpochs);
      const noted = { read, signed };
      const fresh = accuse(noted);
      if (!fresh && !claims.has(read.digest)) return { kind: 'known' };
      put(noted);
      return { kind: 'taken' };
    },
    best(epoch) {
      const issued = store.issued(epoch);
      if (issued !== undefined) return issued.signed;
      const [most] = [...claims.values()]
        .filter((one) => one.epoch === epoch)
        .sort((a, b) => b.read.signedBy.length - a.read.signedBy.length);
      return most?.signed;
    },
  };
}

/** Whether authorities seem to have signed with keys of which there is no certificate here. */
export function isUncertified(signed: string, { names, signingKeys }: Members): boolean {
  const note = parseNote(signed, maxConsensusLength);
  return (note?.signatures ?? []).some(
    ({ name, keyId }) =>
      names.includes(name) && !signingKeys.some((key) => key.name === name && key.keyId === keyId),
  );
}

/** Whether a note has the text of another one, and no signature that the other has not. */
function addsNothing(signed: string, known: string): boolean {
  const end = known.lastIndexOf('\n\n') + 2;
  if (!signed.startsWith(known.slice(0, end))) return false;
  const lines = new Set(known.slice(end).split('\n'));
  return signed
    .slice(end)
    .split('\n')
    .every((line) => lines.has(line));
}

function join(known: Claim, noted: Noted, { signingKeys }: Members): Noted {
  const signed = joinSignatures(known.signed, noted.signed, {
    signingKeys,
    at: noted.read.consensus.validAfter,
    maxLength: maxConsensusLength,
  });
  const signedBy = [...new Set([...known.read.signedBy, ...noted.read.signedBy])].sort();
  return { read: { ...known.read, signedBy }, signed: signed ?? known.signed };
}

function keepClaim(store: AuthorityStore, authority: string, { read, signed }: Noted): void {
  const { consensus, digest } = read;
  store.keep([{ epoch: consensus.epoch, part: 'consensus', authority, digest, signed }]);
}
