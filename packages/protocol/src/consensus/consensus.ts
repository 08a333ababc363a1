import { encodeHex } from '../codec/hex.ts';
import { formatNote, type NoteSigner, parseNote, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import type { Geometry } from '../packet/index.ts';
import { sha256 } from '../primitives/index.ts';
import { type Consensus, maxConsensusLength } from './documents.ts';
import { readGeometry } from './geometry.ts';
import { consensusShape } from './schema.ts';
import { decodeText, encodeText, type Form } from './text.ts';
import { showTime } from './time.ts';
import { checkGood, countAt, type Trust } from './trust.ts';

const form: Form<Consensus> = { origin: 'postern.consensus/v1', shape: consensusShape };

/** Seconds that a reader's clock may be behind: an epoch's length, at most a minute (spec consensus 6.3). */
const clockTolerance = 60;

export type ConsensusRefusal =
  | 'oversized'
  | 'malformed'
  | 'unknown-version'
  | 'bad-signature'
  | 'too-few-signatures'
  | 'wrong-geometry'
  | 'rollback'
  | 'fork'
  | 'not-yet-valid'
  | 'expired';

export type VerifiedConsensus =
  | {
      readonly kind: 'consensus';
      readonly consensus: Consensus;
      /** `consensusDigest` of it. */
      readonly digest: string;
      /** Names of the authorities that signed, sorted. */
      readonly signedBy: string[];
      readonly geometry: Geometry;
    }
  | {
      readonly kind: 'refused';
      readonly reason: ConsensusRefusal;
      readonly detail: string;
      /** As with `Untrusted`. */
      readonly uncertified?: readonly string[];
    };

/** What a reader brings to a consensus. */
export interface ConsensusReader extends Trust {
  /** Unix seconds. */
  readonly now: number;
  /** The newest consensus accepted before. */
  readonly last?: { readonly epoch: number; readonly digest: string } | undefined;
}

/** The text that authorities sign. Throws `ProtocolError` `wrong-document`. */
export function encodeConsensus(consensus: Consensus): string {
  return encodeText(form, consensus);
}

/** Hex SHA-256 of the signed text: the same whoever signed it. */
export function consensusDigest(consensus: Consensus): string {
  return digestOf(encodeConsensus(consensus));
}

/** A consensus as a note signed by each of `signers`. */
export function signConsensus(consensus: Consensus, signers: readonly NoteSigner[]): string {
  const text = encodeConsensus(consensus);
  return formatNote({ text, signatures: signers.map((signer) => signText(text, signer)) });
}

/** Adds a signature to a signed consensus. Throws `ProtocolError` `wrong-document` when that is none. */
export function addSignature(signed: string, signer: NoteSigner): string {
  const note = parseNote(signed, maxConsensusLength);
  if (note === undefined || decodeText(form, note.text).kind === 'refused')
    throw new ProtocolError('wrong-document', 'this is no signed consensus');
  return formatNote({ ...note, signatures: [...note.signatures, signText(note.text, signer)] });
}

/** A consensus that authorities have signed, be they enough or not. */
export type SignedConsensus =
  | {
      readonly kind: 'signed';
      readonly consensus: Consensus;
      /** `consensusDigest` of it. */
      readonly digest: string;
      /** Names, sorted; one at least. */
      readonly signedBy: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reason: ConsensusRefusal; readonly detail: string };

/** Reads a consensus whoever has signed it: for those who know already which one it is, by its digest. */
export function decodeConsensus(
  signed: string,
): { readonly consensus: Consensus; readonly digest: string } | undefined {
  const note = parseNote(signed, maxConsensusLength);
  const decoded = note && decodeText(form, note.text);
  if (note === undefined || decoded?.kind !== 'document') return undefined;
  return { consensus: decoded.value, digest: digestOf(note.text) };
}

/** Reads what authorities send each other, to collect signatures (spec agreement 6.3). No reader routes by it. */
export function readConsensus(signed: string, by: Omit<Trust, 'threshold'>): SignedConsensus {
  const note = parseNote(signed, maxConsensusLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const trust = { ...by, threshold: 1 };
  const good = checkGood(note, trust);
  if (good.kind === 'refused') return good;
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const signatures = countAt(good, trust, decoded.value.validAfter);
  if (signatures.kind === 'refused') return signatures;
  return {
    kind: 'signed',
    consensus: decoded.value,
    digest: digestOf(note.text),
    signedBy: signatures.by,
  };
}

/**
 * Reads a signed consensus (spec consensus 4, 6, 7). Nothing is read of it before enough authorities are known to have signed
 * it. Throws only for a trust that cannot hold.
 */
export function verifyConsensus(signed: string, reader: ConsensusReader): VerifiedConsensus {
  if (signed.length > maxConsensusLength)
    return refused('oversized', `it is longer than ${maxConsensusLength} characters`);
  const note = parseNote(signed, maxConsensusLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const good = checkGood(note, reader);
  if (good.kind === 'refused') return good;
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const consensus = decoded.value;
  const signatures = countAt(good, reader, consensus.validAfter);
  if (signatures.kind === 'refused') return signatures;
  const geometry = readGeometry(consensus.geometry);
  if (geometry === undefined)
    return refused('wrong-geometry', 'its packet geometry is not one that this version knows');
  const digest = digestOf(note.text);
  return (
    refuseHistory(consensus, digest, reader) ??
    refuseTime(consensus, reader) ?? {
      kind: 'consensus',
      consensus,
      digest,
      signedBy: signatures.by,
      geometry,
    }
  );
}

function refuseHistory(
  { epoch, previous }: Consensus,
  digest: string,
  { last }: ConsensusReader,
): VerifiedConsensus | undefined {
  // of a consensus further ahead nothing can be said: those in between, which would tie it to this one, were not seen
  if (last === undefined || epoch > last.epoch + 1) return undefined;
  if (epoch === last.epoch + 1)
    return previous === last.digest
      ? undefined
      : refused('fork', `it does not follow on the consensus for epoch ${last.epoch} that was seen before`);
  if (epoch < last.epoch)
    return refused('rollback', `it is for epoch ${epoch}, and epoch ${last.epoch} was seen before`);
  if (digest !== last.digest) return refused('fork', `another consensus for epoch ${epoch} was seen before`);
  return undefined;
}

function refuseTime(
  { epochSeconds, validAfter, validUntil }: Consensus,
  { now }: ConsensusReader,
): VerifiedConsensus | undefined {
  if (validAfter > now + Math.min(clockTolerance, epochSeconds))
    return refused(
      'not-yet-valid',
      `it is valid from ${showTime(validAfter)}, ${validAfter - now} s after the time here`,
    );
  if (now >= validUntil)
    return refused(
      'expired',
      `it was valid until ${showTime(validUntil)}, ${now - validUntil} s before the time here`,
    );
  return undefined;
}

function digestOf(text: string): string {
  return encodeHex(sha256(new TextEncoder().encode(text)));
}

function refused(reason: ConsensusRefusal, detail: string): Extract<VerifiedConsensus, { kind: 'refused' }> {
  return { kind: 'refused', reason, detail };
}
