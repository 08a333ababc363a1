import { parseMailbox } from '@postern/mail';
import { type Key, type PrivateKey, type PublicKey, readKeys } from 'openpgp';
import { ClientError } from '../errors.ts';

/** Argon2 in somebody else's key may ask for 2 GiB at most; the library's own limit is a terabyte. */
export const limits = { maxArgon2MemoryExponent: 21 };

/** Keys and certificates from a file: armored, several blocks one after the other, or binary. Throws `bad-file`. */
export async function readKeyFile(content: Uint8Array, source: string): Promise<(PublicKey | PrivateKey)[]> {
  try {
    const text = Buffer.from(content).toString('latin1');
    const blocks = text.match(
      /-----BEGIN PGP (PUBLIC|PRIVATE) KEY BLOCK-----[\s\S]*?-----END PGP \1 KEY BLOCK-----/g,
    );
    const read = (blocks ?? [undefined]).map((armoredKeys) =>
      armoredKeys === undefined
        ? readKeys({ binaryKeys: new Uint8Array(content), config: limits })
        : readKeys({ armoredKeys, config: limits }),
    );
    const keys = (await Promise.all(read)).flat();
    if (keys.length > 0) return keys;
  } catch (cause) {
    throw new ClientError('bad-file', `${source} holds no OpenPGP key that can be read`, { cause, hint });
  }
  throw new ClientError('bad-file', `${source} holds no OpenPGP key`, { hint });
}

const hint = 'Export one with: gpg --armor --export MAILBOX';

/** The mailboxes that a key claims, in its user ids with a self-signature that holds, as `storedMailbox` writes them. */
export async function mailboxesOf(key: Key, date: Date): Promise<string[]> {
  const verified = await key.verifyAllUsers(undefined, date).catch(() => []);
  const valid = new Set(verified.filter((user) => user.valid === true).map(({ userID }) => userID));
  const found = key.users.flatMap(({ userID }) => {
    const mailbox = userID && valid.has(userID.userID) ? storedMailbox(userID.email) : undefined;
    return mailbox === undefined ? [] : [mailbox];
  });
  return [...new Set(found)];
}

/**
 * The name under which a mailbox's key is kept. In lower case as a whole: RFC 5321 lets a domain tell `Bob` from `bob`,
 * and a key that is not found because of a capital letter would only stop mail.
 */
export function storedMailbox(text: string): string | undefined {
  const mailbox = parseMailbox(text);
  return mailbox === undefined ? undefined : `${mailbox.local}@${mailbox.domain}`.toLowerCase();
}

/** Why a certificate cannot be used to write to its owner at this time, or nothing. */
export async function flawOf(key: Key, date: Date): Promise<string | undefined> {
  if (await key.isRevoked(undefined, undefined, date)) return 'is revoked';
  const expires = await key.getExpirationTime();
  if (expires instanceof Date && expires <= date) return `expired on ${expires.toISOString().slice(0, 10)}`;
  try {
    await key.getEncryptionKey(undefined, date);
    return undefined;
  } catch {
    return 'has no key that encrypts';
  }
}

export function fingerprintOf(key: Key): string {
  return key.getFingerprint().toUpperCase();
}
