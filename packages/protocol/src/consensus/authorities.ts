import {
  checkSignatures,
  formatNote,
  formatNoteKey,
  isKeyName,
  type Note,
  type NoteKey,
  type NoteSignature,
  noteKey,
  parseNote,
  parseNoteKey,
} from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';

/** The key of an authority: a C2SP signed-note verifier key of type 0x01, Ed25519. */
export type AuthorityKey = NoteKey;

/** Reads `name+keyid+base64`. Throws `ProtocolError` `wrong-authority`. */
export function parseAuthorityKey(vkey: string): AuthorityKey {
  const key = parseNoteKey(vkey);
  if (key !== undefined) return key;
  throw new ProtocolError('wrong-authority', 'an authority key is no Ed25519 verifier key', {
    hint: 'Copy the line that `postern-directory init` printed: name, key id and key, joined by plus signs.',
  });
}

/** Name and Ed25519 public key → `name+keyid+base64`. Throws `ProtocolError` `wrong-authority`. */
export function formatAuthorityKey(name: string, publicKey: Uint8Array): string {
  if (!isKeyName(name) || publicKey.length !== 32)
    throw new ProtocolError(
      'wrong-authority',
      'an authority has a name without spaces and a key of 32 bytes',
    );
  return formatNoteKey(noteKey(name, publicKey));
}

/** What a reader trusts: so many of these authorities. */
export interface Trust {
  readonly authorities: readonly AuthorityKey[];
  /** Distinct authorities, by name, that must have signed. */
  readonly threshold: number;
}

export type Signed =
  | { readonly kind: 'signed'; readonly by: string[] }
  | {
      readonly kind: 'refused';
      readonly reason: 'too-few-signatures' | 'bad-signature';
      readonly detail: string;
    };

/**
 * Counts the authorities that signed a note (spec consensus 2.4): each name once, however many keys and signatures it has. Throws
 * `ProtocolError` `wrong-authority` when the trust itself cannot hold.
 */
export function checkThreshold(note: Note, trust: Trust): Signed {
  assertTrust(trust);
  const verdict = checkSignatures(note, trust.authorities);
  if (verdict.kind === 'bad-signature')
    return {
      kind: 'refused',
      reason: 'bad-signature',
      detail: `the signature of ${verdict.name} does not hold`,
    };
  const by = [...new Set(verdict.keys.map(({ name }) => name))].sort();
  if (by.length >= trust.threshold) return { kind: 'signed', by };
  const detail = `signed by ${by.length} of the authorities known here, ${trust.threshold} needed`;
  return { kind: 'refused', reason: 'too-few-signatures', detail };
}

/**
 * Adds the signatures under `other` by authorities known here, if each of them holds, to those under a note with the same text. Undefined
 * when it has another text, or is no note.
 */
export function joinSignatures(
  signed: string,
  other: string,
  { authorities, maxLength }: { readonly authorities: readonly AuthorityKey[]; readonly maxLength: number },
): string | undefined {
  const [note, more] = [signed, other].map((one) => parseNote(one, maxLength));
  if (note === undefined || more === undefined || note.text !== more.text) return undefined;
  const verdict = checkSignatures(more, authorities);
  if (verdict.kind === 'bad-signature') return undefined;
  const isOf = (signature: NoteSignature) => (key: Pick<NoteSignature, 'name' | 'keyId'>) =>
    key.name === signature.name && key.keyId === signature.keyId;
  const added = more.signatures.filter(
    (signature) => verdict.keys.some(isOf(signature)) && !note.signatures.some(isOf(signature)),
  );
  return formatNote({ ...note, signatures: [...note.signatures, ...added] });
}

/** A threshold that one key under two names could meet alone, or that can never be met, is a mistake in the configuration. */
export function assertTrust({ authorities, threshold }: Trust): void {
  const names = new Set(authorities.map(({ name }) => name));
  const owners = new Map<string, string>();
  for (const { name, publicKey } of authorities) {
    const key = publicKey.join();
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
