import { encodeHex } from '../codec/hex.ts';
import {
  checkSignatures,
  formatNote,
  isBy,
  type Note,
  type NoteSignature,
  parseNote,
} from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { compositeSignatureBytes } from '../primitives/index.ts';
import { type AuthorityKey, isSameAuthority } from './authorities.ts';
import { covers, type SigningKey } from './certificate.ts';
import { showTime } from './time.ts';

/** What a reader trusts: so many of these authorities. */
export interface Trust {
  readonly authorities: readonly AuthorityKey[];
  /** Distinct authorities, by name, that must have signed. */
  readonly threshold: number;
  /** Of these authorities, from certificates that were verified. What is signed by another key is signed by nobody. */
  readonly signingKeys: readonly SigningKey[];
}

/**
 * Why too few have signed: an authority has signed more than once, which counts once; or some have signed by an algorithm that this version does not
 * know; or simply so.
 */
export type Shortage = 'too-few-signatures' | 'repeated-signatures' | 'unknown-algorithm';

/** Why a note does not count. */
export interface Untrusted {
  readonly kind: 'refused';
  readonly reason: Shortage | 'bad-signature';
  readonly detail: string;
  /** Names of authorities that seem to have signed with keys of which no certificate is here. A newer one may be had. */
  readonly uncertified?: readonly string[];
}

/** The good signatures on a note, by keys of which some may be of another time than the document. */
export interface GoodSignatures {
  readonly kind: 'good';
  readonly keys: readonly SigningKey[];
  /** Signatures by one of the keys, a second one by the same too. */
  readonly lines: readonly NoteSignature[];
  readonly uncertified: readonly string[];
  /** Names of authorities that have signed by another algorithm than the one of their keys. */
  readonly unknown: readonly string[];
}

export type Signed = { readonly kind: 'signed'; readonly by: string[] } | Untrusted;

/**
 * Counts the authorities that signed a document of a time (spec consensus 2.4): each name once, however many certificates, keys and
 * signatures it has. Throws `ProtocolError` `wrong-authority` when the trust itself cannot hold.
 */
export function checkThreshold(note: Note, trust: Trust, at: number): Signed {
  const signatures = checkGood(note, trust);
  return signatures.kind === 'good' ? countAt(signatures, trust, at) : signatures;
}

/**
 * The first half, for a document whose own text says of which time it is: enough authorities have signed it, with keys that are theirs, or were
 * or will be. So its time can be read, and `countAt` decide by it.
 */
export function checkGood(note: Note, trust: Trust): GoodSignatures | Untrusted {
  assertTrust(trust);
  const known = trust.signingKeys.filter((key) =>
    trust.authorities.some((authority) => isSameAuthority(authority, key.authority)),
  );
  const verdict = checkSignatures(note, known);
  if (verdict.kind === 'bad-signature')
    return {
      kind: 'refused',
      reason: 'bad-signature',
      detail: `the signature of ${verdict.name} does not hold`,
    };
  const signatures: GoodSignatures = {
    kind: 'good',
    keys: verdict.keys,
    lines: note.signatures.filter((signature) => verdict.keys.some((key) => isBy(signature, key))),
    ...strangersIn(note, trust, known),
  };
  return namesOf(verdict.keys).length >= trust.threshold ? signatures : tooFew(signatures, trust);
}

/** The second half. */
export function countAt(signatures: GoodSignatures, trust: Trust, at: number): Signed {
  const by = namesOf(signatures.keys.filter((key) => covers(key, at)));
  return by.length >= trust.threshold ? { kind: 'signed', by } : tooFew(signatures, trust, at);
}

/**
 * A text under the signatures of two notes that hold, by keys known here and of a time: of each authority one, the first note's before the other's.
 * Undefined when they have not the same text, one is no note, or none holds.
 */
export function joinSignatures(signed: string, other: string, options: JoinOptions): string | undefined {
  const [note, more] = [signed, other].map((one) => parseNote(one, options.maxLength));
  if (note === undefined || more === undefined || note.text !== more.text) return undefined;
  const both = { ...note, signatures: [...note.signatures, ...more.signatures] };
  const holding = holdingOf(both, options);
  return holding.length === 0 ? undefined : formatNote({ ...note, signatures: holding });
}

function holdingOf(note: Note, { signingKeys, at }: JoinOptions): NoteSignature[] {
  const timely = signingKeys.filter((key) => covers(key, at));
  const holding = new Map<string, NoteSignature>();
  for (const signature of note.signatures) {
    if (holding.has(signature.name)) continue;
    const verdict = checkSignatures({ ...note, signatures: [signature] }, timely);
    if (verdict.kind === 'checked' && verdict.keys.length > 0) holding.set(signature.name, signature);
  }
  return [...holding.values()];
}

export interface JoinOptions extends Pick<Trust, 'signingKeys'> {
  /** Unix seconds: of the document. */
  readonly at: number;
  readonly maxLength: number;
}

/** A threshold that one key under two names could meet alone, or that can never be met, is a mistake in the configuration. */
export function assertTrust({ authorities, threshold }: Pick<Trust, 'authorities' | 'threshold'>): void {
  const names = new Set(authorities.map(({ name }) => name));
  const owners = new Map<string, string>();
  for (const { name, identity } of authorities) {
    const key = encodeHex(identity);
    if ((owners.get(key) ?? name) !== name)
      throw new ProtocolError('wrong-authority', `one key stands under two names, ${name} the second`, {
        hint: 'List each authority once, with its own key.',
      });
    owners.set(key, name);
  }
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > names.size)
    throw new ProtocolError('wrong-authority', `${threshold} of ${names.size} authorities is no threshold`, {
      hint: `Set a threshold from 1 to the number of authorities; more than half of them is what they agree by.`,
    });
}

/** Authorities of the reader's with a signature by a key that no certificate here is for, or that none can be for: by its length the algorithm is another one. */
function strangersIn(
  note: Note,
  { authorities }: Trust,
  known: readonly SigningKey[],
): Pick<GoodSignatures, 'uncertified' | 'unknown'> {
  const names = new Set(authorities.map(({ name }) => name));
  const strange = note.signatures.filter(
    (signature) => names.has(signature.name) && !known.some((key) => isBy(signature, key)),
  );
  const isKnown = ({ bytes }: NoteSignature): boolean => bytes.length === compositeSignatureBytes;
  return {
    uncertified: namesOf(strange.filter(isKnown)),
    unknown: namesOf(strange.filter((one) => !isKnown(one))),
  };
}

function tooFew(signatures: GoodSignatures, { threshold }: Trust, at?: number): Untrusted {
  const { keys, lines, uncertified, unknown } = signatures;
  const untimely = at === undefined ? [] : keys.filter((key) => !covers(key, at));
  const signed = namesOf(keys.filter((key) => !untimely.includes(key)));
  const repeated = signed.filter((name) => lines.filter((line) => line.name === name).length > 1);
  const detail = [
    `signed by ${signed.length} of the authorities known here, ${threshold} needed`,
    ...repeated.map((name) => `${name} has signed more than once, which counts once`),
    ...unknown.map((name) => `${name} has signed by an algorithm that this version does not know`),
    ...uncertified.map((name) => `there is no certificate for the key that ${name} has signed with`),
    ...untimely.map(
      ({ name, validAfter, validUntil }) =>
        `the key of ${name} is for documents from ${showTime(validAfter)} until ${showTime(validUntil)}, and this one is of ${showTime(at ?? 0)}`,
    ),
  ].join('; ');
  const reason = ((): Shortage => {
    if (new Set([...signed, ...unknown]).size >= threshold) return 'unknown-algorithm';
    return untimely.length === 0 && lines.length >= threshold ? 'repeated-signatures' : 'too-few-signatures';
  })();
  const refusal = { kind: 'refused', reason, detail } as const;
  return uncertified.length === 0 ? refusal : { ...refusal, uncertified };
}

function namesOf(named: readonly { readonly name: string }[]): string[] {
  return [...new Set(named.map(({ name }) => name))].sort();
}
