import { concat, equalBytes } from '../codec/bytes.ts';
import { formatVerifierKey, isKeyName, parseVerifierKey } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { compositePublicKeyBytes, sha256 } from '../primitives/index.ts';

/** What a reader knows an authority by: a C2SP signed-note verifier key of type 0xff, with the hash of its identity key. */
export interface AuthorityKey {
  readonly name: string;
  /** SHA-256 of the identity public key. */
  readonly identity: Uint8Array;
}

const type = concat(Uint8Array.of(0xff), new TextEncoder().encode('postern-authority/v1'));

/** Reads `name+keyid+base64`. Throws `ProtocolError` `wrong-authority`. */
export function parseAuthorityKey(vkey: string): AuthorityKey {
  const key = parseVerifierKey(vkey);
  if (key?.bytes.length === type.length + 32 && equalBytes(key.bytes.slice(0, type.length), type))
    return { name: key.name, identity: key.bytes.slice(type.length) };
  throw new ProtocolError('wrong-authority', 'an authority key is no verifier key of postern-authority/v1', {
    hint: 'Copy the line that `postern-directory init` printed: name, key id and key, joined by plus signs.',
  });
}

/** Name and identity public key → the key of an authority. Throws `ProtocolError` `wrong-authority`. */
export function authorityKey(name: string, identityPublicKey: Uint8Array): AuthorityKey {
  if (!isKeyName(name) || identityPublicKey.length !== compositePublicKeyBytes)
    throw new ProtocolError(
      'wrong-authority',
      `an authority has a name without spaces and an identity key of ${compositePublicKeyBytes} bytes`,
    );
  return { name, identity: sha256(identityPublicKey) };
}

/** The inverse of `parseAuthorityKey`. */
export function formatAuthorityKey({ name, identity }: AuthorityKey): string {
  return formatVerifierKey(name, concat(type, identity));
}

/** Whether both are of one name and one identity key. */
export function isSameAuthority(one: AuthorityKey, other: AuthorityKey): boolean {
  return one.name === other.name && equalBytes(one.identity, other.identity);
}
