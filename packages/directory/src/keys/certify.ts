import { encodeBase64, noteSigner } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  authorityKey,
  type Certificate,
  epochAt,
  signCertificate,
} from '@postern/protocol/consensus';
import { composite } from '@postern/protocol/primitives';
import type { Random } from '@postern/runtime';
import { destroyPrivateKey, readSigningFiles, writeSigningFile } from './files.ts';
import { claim } from './identity.ts';
import { openSigningFile } from './signing.ts';

export interface CertifyOptions {
  readonly name: string;
  readonly dataDir: string;
  /** Private key. */
  readonly identity: Uint8Array;
  readonly epochSeconds: number;
  /** From now on, for so many days. */
  readonly days: number;
  /** Unix seconds. */
  readonly now: number;
  readonly random: Random;
}

/** What is usual: long enough to be forgotten for a week, short enough for a key that lies on a server. */
export const usualDays = 30;

/** Most days that a certificate may be for, with what lies before now left over. */
export const mostDays = 350;

const daySeconds = 86_400;

/**
 * Makes the next signing key and its certificate, durable when it returns, and destroys private keys that are past. Throws `AuthorityError`
 * `wrong-key` when the identity is not that of the data directory.
 */
export async function certify(
  options: CertifyOptions,
): Promise<{ certificate: Certificate; key: AuthorityKey }> {
  const { name, dataDir, identity, now, days, random } = options;
  const identityKey = composite.publicKey(identity);
  const key = authorityKey(name, identityKey);
  await claim(dataDir, key);
  const { privateKey } = composite.generate(random);
  const signer = noteSigner('composite', name, privateKey);
  const certificate: Certificate = {
    version: 1,
    authority: name,
    identityKey: encodeBase64(identityKey),
    signingKey: encodeBase64(signer.publicKey),
    validAfter: beginning(options),
    validUntil: now + days * daySeconds,
  };
  const id = signer.keyId.toString(16).padStart(8, '0');
  await writeSigningFile(dataDir, { id, certificate: signCertificate(certificate, identity), privateKey });
  for (const file of readSigningFiles(dataDir)) {
    const { certificate, signer } = openSigningFile(file, [key]);
    if (signer !== undefined && certificate.validUntil <= now) await destroyPrivateKey(dataDir, file.id);
  }
  return { certificate, key };
}

/** The consensus of the epoch that runs is dated from its start, and others' clocks may be behind: an epoch more, and an hour at least. */
function beginning({ now, epochSeconds }: CertifyOptions): number {
  const start = epochAt(now, epochSeconds) * epochSeconds;
  return Math.max(0, start - Math.max(epochSeconds, 3_600));
}
