import type { AlgorithmInfo, PrivateKey, PublicKey } from 'openpgp';
import { ProtocolError } from '../errors.ts';
import { policy } from './policy.ts';

/** Whose certificate it is, for what a person is told. */
export type Owner = 'recipient' | 'domain';

/**
 * The algorithm of the key that a certificate is encrypted to at that time. Throws `ProtocolError` `key-revoked`, `key-expired`,
 * `key-unusable`.
 */
export async function requireEncryptionKey(
  certificate: PublicKey,
  date: Date,
  owner: Owner,
): Promise<AlgorithmInfo> {
  const hint = `Get a newer certificate of the ${owner}.`;
  if (await certificate.isRevoked(undefined, undefined, date, policy))
    throw new ProtocolError('key-revoked', `the ${owner}’s certificate is revoked`, { hint });
  try {
    const key = await certificate.getEncryptionKey(undefined, date, undefined, policy);
    return key.getAlgorithmInfo();
  } catch (cause) {
    if (await hasExpired(certificate, date))
      throw new ProtocolError('key-expired', `the ${owner}’s certificate has expired`, { cause, hint });
    throw new ProtocolError('key-unusable', `the ${owner}’s certificate has no key that encrypts`, {
      cause,
      hint,
    });
  }
}

/** Throws `ProtocolError` `key-locked`, `key-unusable`. */
export async function requireSigningKey(key: PrivateKey, date: Date): Promise<void> {
  const found = await key.getSigningKey(undefined, date, undefined, policy).catch((cause: unknown) => {
    throw new ProtocolError('key-unusable', 'the author’s key cannot sign now', {
      cause,
      hint: 'It may have expired, be revoked, or be dated later than this machine’s clock.',
    });
  });
  if (!found.isDecrypted()) throw locked('author');
}

/** Throws `ProtocolError` `key-locked`. */
export function requireUnlocked(keys: readonly PrivateKey[]): void {
  if (!keys.every((key) => key.isDecrypted())) throw locked('recipient');
}

/** The certificate as a whole, or the last of the subkeys that it could have been encrypted to. */
async function hasExpired(certificate: PublicKey, date: Date): Promise<boolean> {
  const times = [certificate, ...certificate.subkeys].map((key) =>
    'mainKey' in key ? key.getExpirationTime(date) : key.getExpirationTime(),
  );
  const known = await Promise.all(times.map((time) => time.catch(() => null)));
  return known.some((time) => time instanceof Date && time <= date);
}

function locked(owner: string): ProtocolError {
  return new ProtocolError('key-locked', `the ${owner}’s secret key is locked`, {
    hint: 'Unlock it with its passphrase first.',
  });
}
