import { decodeHex, encodeHex } from '../codec/hex.ts';
import { checkSignatures, formatNote, isBy, type NoteSigner, parseNote, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { sha256 } from '../primitives/index.ts';
import { covers, type SigningKey } from './certificate.ts';
import { maxRevealLength, maxVoteLength, type Reveal, type Vote } from './documents.ts';
import { revealShape, voteShape } from './schema.ts';
import { decodeText, encodeText, type Form } from './text.ts';

const voteForm: Form<Vote> = { origin: 'postern.vote/v1', shape: voteShape };
const revealForm: Form<Reveal> = { origin: 'postern.reveal/v1', shape: revealShape };

export type BallotRefusal = 'oversized' | 'malformed' | 'unknown-version' | 'bad-signature' | 'unsigned';

/** Whose ballots are read, and of which time. */
export interface BallotReader {
  readonly signingKeys: readonly SigningKey[];
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

/** A vote as a note, signed by the authority that it is from (spec agreement 3). Throws `ProtocolError` `wrong-document`. */
export function signVote(vote: Vote, signer: NoteSigner): string {
  return sign(voteForm, vote, signer);
}

/** A reveal in the like manner (spec agreement 4). */
export function signReveal(reveal: Reveal, signer: NoteSigner): string {
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

/** Digest of a ballot as `Ballot` has it, before anything is known of who has signed it; undefined when it is no note. */
export function ballotDigest(signed: string): string | undefined {
  const note = parseNote(signed, maxVoteLength);
  return note === undefined ? undefined : digestOf(note.text);
}

/** Adds a signature to a vote or reveal: that it came in time (spec agreement 3.2). Throws `ProtocolError` `wrong-document`. */
export function countersign(signed: string, signer: NoteSigner): string {
  const note = parseNote(signed, maxVoteLength);
  if (note === undefined) throw new ProtocolError('wrong-document', 'this is no signed note');
  const signature = signText(note.text, signer);
  const others = note.signatures.filter((one) => !isBy(one, signature));
  return formatNote({ ...note, signatures: [...others, signature] });
}

/** What a vote commits to when the value is to be revealed (spec agreement 4). */
export function commitTo(value: string): string {
  return encodeHex(sha256(decodeHex(value) ?? new Uint8Array()));
}

function sign<T extends Vote | Reveal>(form: Form<T>, value: T, signer: NoteSigner): string {
  const text = encodeText(form, value);
  return formatNote({ text, signatures: [signText(text, signer)] });
}

function read<T extends Vote | Reveal>(
  form: Form<T>,
  signed: string,
  maxLength: number,
  { signingKeys, at }: BallotReader,
): Ballot<T> {
  if (signed.length > maxLength) return refused('oversized', `it is longer than ${maxLength} characters`);
  const note = parseNote(signed, maxLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const timely = signingKeys.filter((key) => covers(key, at));
  const verdict = checkSignatures(note, timely);
  if (verdict.kind === 'bad-signature')
    return refused('bad-signature', `the signature of ${verdict.name} does not hold`);
  if (verdict.keys.length === 0) return refused('unsigned', 'no authority known here has signed it');
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const signedBy = [...new Set(verdict.keys.map(({ name }) => name))].sort();
  const { authority } = decoded.value;
  if (!signedBy.includes(authority)) return refused('unsigned', `${authority} has not signed it`);
  return { kind: 'ballot', value: decoded.value, digest: digestOf(note.text), signedBy };
}

function digestOf(text: string): string {
  return encodeHex(sha256(new TextEncoder().encode(text)));
}

function refused<T>(reason: BallotRefusal, detail: string): Ballot<T> {
  return { kind: 'refused', reason, detail };
}
