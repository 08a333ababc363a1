import { decodeHex, encodeHex } from '../codec/hex.ts';
import { sha256 } from '../primitives/index.ts';
import {
  type CertifiedReader,
  type CertifiedReading,
  type CertifiedSigner,
  claimsIn,
  readCertified,
  signCertified,
} from './certified.ts';
import { maxRevealLength, maxVoteLength, type Reveal, type Vote } from './documents.ts';
import { revealShape, voteShape } from './schema.ts';
import { decodeText, encodeText, type Form } from './text.ts';

const voteForm: Form<Vote> = { origin: 'postern.vote/v1', shape: voteShape };
const revealForm: Form<Reveal> = { origin: 'postern.reveal/v1', shape: revealShape };

export type BallotRefusal =
  | Extract<CertifiedReading, { kind: 'refused' }>['reason']
  | 'unknown-version'
  | 'unsigned';

/** Whose ballots are read, and of which time. */
export interface BallotReader extends CertifiedReader {
  /** Unix seconds: a time that all who take part in the agreement go by. Who signs with a key of another time has not signed. */
  readonly at: number;
}

/** What an authority says in an agreement, and who has signed that it came in time. */
export type Ballot<T> =
  | {
      readonly kind: 'ballot';
      readonly value: T;
      /** Hex SHA-256 of the signed text: the same whoever signed it. */
      readonly digest: string;
      /** Names of authorities, the one that it is from among them. */
      readonly signedBy: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reason: BallotRefusal; readonly detail: string };

/** A vote as a certified note, signed by the authority that it is from (spec agreement 3). Throws `ProtocolError` `wrong-document`. */
export function signVote(vote: Vote, signer: CertifiedSigner): string {
  return sign(voteForm, vote, signer);
}

/** A reveal in the like manner (spec agreement 4). */
export function signReveal(reveal: Reveal, signer: CertifiedSigner): string {
  return sign(revealForm, reveal, signer);
}

/** Reads a vote that authorities known here have signed, the one that it is from first of all. */
export function readVote(signed: string, reader: BallotReader): Ballot<Vote> {
  return read(voteForm, signed, maxVoteLength, reader);
}

/** Reads a reveal in the like manner. */
export function readReveal(signed: string, reader: BallotReader): Ballot<Reveal> {
  return read(revealForm, signed, maxRevealLength, reader);
}

/** Digest of a ballot as `Ballot` has it, before anything is known of who has signed it; undefined when it is none. */
export function ballotDigest(signed: string): string | undefined {
  const text = claimsIn(signed, maxVoteLength)?.text;
  return text === undefined ? undefined : digestOf(text);
}

/** What a vote commits to when the value is to be revealed (spec agreement 4). */
export function commitTo(value: string): string {
  return encodeHex(sha256(decodeHex(value) ?? new Uint8Array()));
}

function sign<T extends Vote | Reveal>(form: Form<T>, value: T, signer: CertifiedSigner): string {
  return signCertified(encodeText(form, value), signer);
}

function read<T extends Vote | Reveal>(
  form: Form<T>,
  signed: string,
  maxLength: number,
  reader: BallotReader,
): Ballot<T> {
  const reading = readCertified(signed, maxLength, reader, reader.at);
  if (reading.kind === 'refused') return reading;
  const { text, signatures } = reading.note;
  const decoded = decodeText(form, text);
  if (decoded.kind === 'refused') return decoded;
  const signedBy = signatures.map(({ name }) => name);
  const { authority } = decoded.value;
  if (!signedBy.includes(authority)) return refused('unsigned', `${authority} has not signed it`);
  return { kind: 'ballot', value: decoded.value, digest: digestOf(text), signedBy };
}

function digestOf(text: string): string {
  return encodeHex(sha256(new TextEncoder().encode(text)));
}

function refused<T>(reason: BallotRefusal, detail: string): Ballot<T> {
  return { kind: 'refused', reason, detail };
}
