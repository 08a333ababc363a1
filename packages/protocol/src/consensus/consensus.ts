import { formatNote, type NoteSigner, parseNote, signText } from '../codec/note.ts';
import type { LogHead } from '../log/index.ts';
import type { Geometry } from '../packet/index.ts';
import { covers } from './certificate.ts';
import {
  type CertifiedNote,
  type CertifiedReader,
  type CertifiedReading,
  type CertifiedSigner,
  readCertified,
  signaturesLength,
  signCertified,
} from './certified.ts';
import { type Consensus, maxConsensusLength } from './documents.ts';
import { readGeometry } from './geometry.ts';
import { consensusShape } from './schema.ts';
import { decodeText, digestOf, encodeText, type Form } from './text.ts';
import { showTime } from './time.ts';
import { checkGood, countAt, type Shortage, type Trust } from './trust.ts';

const form: Form<Consensus> = { origin: 'postern.consensus/v1', shape: consensusShape };

/** Seconds that a reader's clock may be behind: an epoch's length, at most a minute (spec consensus 6.3). */
const clockTolerance = 60;

export type ConsensusRefusal =
  | 'oversized'
  | 'malformed'
  | 'unknown-version'
  | 'bad-signature'
  | Shortage
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
  readonly last?: Last | undefined;
}

/** What is known of the newest consensus accepted. */
export interface Last {
  readonly epoch: number;
  readonly digest: string;
  /** The log with this one as its last leaf. */
  readonly log: LogHead;
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

/** A consensus that enough authorities have signed, whenever that was and whatever came before it. */
export type IssuedConsensus =
  | Pick<Extract<VerifiedConsensus, { kind: 'consensus' }>, 'kind' | 'consensus' | 'digest' | 'signedBy'>
  | Refused;

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
  | Refused;

/** Reads a consensus whoever has signed it: for those who know already which one it is, by its digest. */
export function decodeConsensus(
  signed: string,
): { readonly consensus: Consensus; readonly digest: string } | undefined {
  const note = parseNote(signed, maxConsensusLength);
  const decoded = note && decodeText(form, note.text);
  if (note === undefined || decoded?.kind !== 'document') return undefined;
  return { consensus: decoded.value, digest: digestOf(note.text) };
}

/** Reads a consensus that any authority of these has signed. No reader routes by it. */
export function readConsensus(signed: string, by: Omit<Trust, 'threshold'>): SignedConsensus {
  const read = readIssued(signed, { ...by, threshold: 1 });
  return read.kind === 'consensus' ? { ...read, kind: 'signed' } : read;
}

/** A consensus as authorities send it to each other. */
export type CertifiedConsensus =
  | (Extract<SignedConsensus, { kind: 'signed' }> & { readonly note: CertifiedNote })
  | {
      readonly kind: 'refused';
      readonly reason: Extract<CertifiedReading, { kind: 'refused' }>['reason'] | 'unknown-version';
      readonly detail: string;
    };

/** A consensus as a certified note, to collect signatures under (spec agreement 6.3). Throws `ProtocolError` `wrong-document`. */
export function signCertifiedConsensus(consensus: Consensus, signer: CertifiedSigner): string {
  return signCertified(encodeConsensus(consensus), signer);
}

/** Reads it: every signature holds, by a key that is for the document's time. */
export function readCertifiedConsensus(signed: string, reader: CertifiedReader): CertifiedConsensus {
  // so all may sign it, and readers still take it
  const reading = readCertified(signed, maxConsensusLength - signaturesLength - 1, reader);
  if (reading.kind === 'refused') return reading;
  const { note } = reading;
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const consensus = decoded.value;
  const untimely = note.signatures.find(({ key }) => !covers(key, consensus.validAfter));
  if (untimely !== undefined)
    return {
      kind: 'refused',
      reason: 'uncertified',
      detail: `the key of ${untimely.name} is for another time`,
    };
  const signedBy = note.signatures.map(({ name }) => name);
  return { kind: 'signed', consensus, digest: digestOf(note.text), signedBy, note };
}

/**
 * Verifies a signed consensus (spec consensus 4, 6, 7). Nothing is read of it before enough authorities are known to have signed
 * it. Of one further on in the log than right after the last this says nothing: whether the log between holds, its tiles show (spec log 5).
 * Throws only for a trust that cannot hold.
 */
export function verifyConsensus(signed: string, reader: ConsensusReader): VerifiedConsensus {
  const read = readIssued(signed, reader);
  if (read.kind === 'refused') return read;
  const geometry = readGeometry(read.consensus.geometry);
  if (geometry === undefined)
    return refused('wrong-geometry', 'its packet geometry is not one that this version knows');
  const { consensus, digest } = read;
  return (
    contradiction(consensus, digest, reader.last) ?? refuseTime(consensus, reader) ?? { ...read, geometry }
  );
}

/** Reads a signed consensus of any time, as whoever looks at the past does. Throws only for a trust that cannot hold. */
export function readIssued(signed: string, trust: Trust): IssuedConsensus {
  if (signed.length > maxConsensusLength)
    return refused('oversized', `it is longer than ${maxConsensusLength} characters`);
  const note = parseNote(signed, maxConsensusLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const good = checkGood(note, trust);
  if (good.kind === 'refused') return good;
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const consensus = decoded.value;
  const signatures = countAt(good, trust, consensus.validAfter);
  if (signatures.kind === 'refused') return signatures;
  return { kind: 'consensus', consensus, digest: digestOf(note.text), signedBy: signatures.by };
}

/** What speaks against a consensus, of this digest, in view of the newest one accepted before (spec consensus 7). */
export function contradiction(
  { epoch, previous, log }: Consensus,
  digest: string,
  last: Last | undefined,
): Refused | undefined {
  if (last === undefined) return undefined;
  if (epoch < last.epoch)
    return refused('rollback', `it is for epoch ${epoch}, and epoch ${last.epoch} was seen before`);
  if (epoch === last.epoch)
    return digest === last.digest
      ? undefined
      : refused('fork', `another consensus for epoch ${epoch} was seen before`);
  const between = log.size - last.log.size;
  const follows = between > 0 || (previous === last.digest && log.root === last.log.root);
  // there is room for one consensus in each epoch between
  if (between >= 0 && between < epoch - last.epoch && follows) return undefined;
  return refused('fork', `it does not follow on the consensus for epoch ${last.epoch} that was seen before`);
}

type Times = Pick<Consensus, 'epochSeconds' | 'validAfter' | 'validUntil'>;

/** Whether a consensus may be used at this time, Unix seconds, by a clock that may be a little behind (spec consensus 6.3). */
export function isValidAt(consensus: Times, now: number): boolean {
  return hasBegun(consensus, now) && now < consensus.validUntil;
}

function hasBegun({ epochSeconds, validAfter }: Times, now: number): boolean {
  return validAfter <= now + Math.min(clockTolerance, epochSeconds);
}

function refuseTime(consensus: Consensus, { now }: ConsensusReader): Refused | undefined {
  const { validAfter, validUntil } = consensus;
  if (!hasBegun(consensus, now))
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

type Refused = Extract<VerifiedConsensus, { kind: 'refused' }>;

function refused(reason: ConsensusRefusal, detail: string): Refused {
  return { kind: 'refused', reason, detail };
}
