import {
  checkSignatures,
  formatNote,
  isBy,
  type Note,
  type NoteSignature,
  parseNote,
} from '@postern/protocol/codec';
import {
  covers,
  decodeConsensus,
  maxCertificateLength,
  maxConsensusLength,
  type SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import type { Leaf } from '@postern/protocol/log';
import { maxAllCertificatesBytes, notesIn } from '../notes.ts';
import type { HeldCertificate } from '../peer-certificates.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';

/** A consensus of the past, known by its digest, as somebody has it. */
export interface Copy {
  readonly epoch: number;
  /** Unix seconds: of the document. */
  readonly at: number;
  readonly signed: string;
}

/** Longest note of a consensus, bytes. */
export const mostConsensusBytes: number = 2 * maxConsensusLength;

/** Certificates of one list that are verified: of ten authorities in eight years. */
const mostCertificates = 1_024;

/**
 * A copy under those of its signatures alone that hold, one of each authority, if these are enough (spec agreement 8). Where a copy lacks them they are taken from
 * others' copies; keys of so long ago that they are not known here are asked for. Without enough it stays as it came: whoever had to sign it then need not be
 * known here any more. After the first of these it is sought where one of `leaves` that lacks them is followed by one that does not, and what is older is asked of
 * nobody else. There may be several such places, where one authority has taken another's: of what is older, too, some may have enough.
 */
export function createProver({
  peers,
  members,
  leaves,
  proven,
}: {
  readonly peers: Pick<Peers, 'names' | 'ask'>;
  readonly members: Members;
  /** Of the consensuses that are proven, oldest first. */
  readonly leaves: readonly Leaf[];
  /** Called with each copy that is, its time, Unix seconds, and the certificates that were asked for. */
  readonly proven?: (signed: string, at: number, past: readonly HeldCertificate[]) => void;
}): (copy: Copy) => Promise<string> {
  const { threshold } = members;
  const silent = new Set<string>();
  let past: Promise<readonly HeldCertificate[]> | undefined;
  /** What is older is asked of nobody else; undefined while there was enough of each. */
  let since: number | undefined;
  const askAll = async (path: string, maxBytes: number): Promise<string[]> => {
    const texts = peers.names.map(async (name) => {
      if (silent.has(name)) return [];
      const answer = await peers.ask(name, path, { maxBytes });
      // one that keeps everybody waiting does so once
      if (answer.kind !== 'answer') silent.add(name);
      return answer.kind === 'answer' && answer.status === 200 ? [answer.text] : [];
    });
    return (await Promise.all(texts)).flat();
  };
  const copiesOf = (epoch: number): Promise<string[]> => askAll(`/v1/consensus/${epoch}`, mostConsensusBytes);
  const fetchPast = async (): Promise<readonly HeldCertificate[]> => {
    const lists = await askAll('/v1/certificates/all', maxAllCertificatesBytes);
    const all = lists.flatMap(
      (list) => notesIn(list, maxCertificateLength)?.slice(0, mostCertificates) ?? [],
    );
    return [...new Set(all)].flatMap((signed) => {
      const verified = verifyCertificate(signed, members);
      return verified.kind === 'certificate' ? [{ signed, key: verified.key }] : [];
    });
  };
  const isProven = async ({ epoch, digest }: Leaf, keys: readonly SigningKey[]): Promise<boolean> => {
    const signers = (await copiesOf(epoch)).flatMap((text) => {
      const decoded = decodeConsensus(text);
      const note = decoded?.digest === digest ? parseNote(text, maxConsensusLength) : undefined;
      return decoded && note ? holdingOf(note, keys, decoded.consensus.validAfter) : [];
    });
    return new Set(signers.map(({ name }) => name)).size >= threshold;
  };
  /** Later than an epoch of which there is not enough, one of which there is, right after one of which there is not; sought by halves: the newest was shown to have it. */
  const firstAfter = async (epoch: number, keys: readonly SigningKey[]): Promise<number> => {
    let low = leaves.findIndex((leaf) => leaf.epoch === epoch);
    let high = leaves.length - 1;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (await isProven(leaves[middle] as Leaf, keys)) high = middle;
      else low = middle;
    }
    return leaves[high]?.epoch ?? epoch;
  };
  return async ({ epoch, at, signed }) => {
    const note = parseNote(signed, maxConsensusLength);
    if (note === undefined) return signed;
    const good = new Map<string, NoteSignature>();
    const add = (more: Note, keys: readonly SigningKey[]): boolean => {
      for (const one of holdingOf(more, keys, at)) good.set(one.name, good.get(one.name) ?? one);
      return good.size >= threshold;
    };
    const formatted = (asked: readonly HeldCertificate[]): string => {
      const enough = formatNote({ ...note, signatures: [...good.values()] });
      proven?.(enough, at, asked);
      return enough;
    };
    if (add(note, members.signingKeys)) return formatted([]);
    past ??= fetchPast();
    const asked = await past;
    const keys = [...members.signingKeys, ...asked.map(({ key }) => key)];
    if (add(note, keys)) return formatted(asked);
    if (since !== undefined && epoch < since) return signed;
    for (const text of await copiesOf(epoch)) {
      const copy = parseNote(text, maxConsensusLength);
      if (copy?.text === note.text && add(copy, keys)) return formatted(asked);
    }
    since ??= await firstAfter(epoch, keys);
    return signed;
  };
}

/** Signatures by keys of a time, one of each authority. */
function holdingOf(note: Note, keys: readonly SigningKey[], at: number): NoteSignature[] {
  const timely = keys.filter((key) => covers(key, at));
  const holding = new Map<string, NoteSignature>();
  for (const signature of note.signatures) {
    const key = timely.find((one) => isBy(signature, one));
    if (key === undefined || holding.has(key.name)) continue;
    const verdict = checkSignatures({ ...note, signatures: [signature] }, [key]);
    if (verdict.kind === 'checked' && verdict.keys.length === 1) holding.set(key.name, signature);
  }
  return [...holding.values()];
}
