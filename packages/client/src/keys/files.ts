import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isExposed,
  makePrivateDirectory,
  overwriteAndRemove,
  replaceSecret,
  syncDirectory,
  writeFileDurable,
} from '@postern/runtime';
import type { PrivateKey, PublicKey } from 'openpgp';
import { absent, createFileCache } from '../cache.ts';
import { ClientError } from '../errors.ts';
import { fingerprintOf, readKeyFile } from './certificate.ts';
import { fileNameOf, type Notes, type Offer, openOffers, openPins, type Pin } from './pins.ts';

/**
 * The files behind the keys: `certificates/<mailbox>.asc`, the one certificate pinned for each mailbox, and
 * `secret/<fingerprint>.asc`, the person's own secret keys, mode 0600; `pins/` and `offers/` say how certificates came here. The
 * directories are 0700.
 */
export interface KeyFiles {
  /** Mailboxes that have a certificate, sorted. */
  mailboxes(): Promise<string[]>;
  certificate(mailbox: string): Promise<PublicKey | undefined>;
  putCertificate(mailbox: string, certificate: PublicKey): Promise<void>;
  removeCertificate(mailbox: string): Promise<void>;
  /** How each certificate came to be pinned. */
  readonly pins: Notes<Pin>;
  /** What was found for a mailbox and is not pinned. */
  readonly offers: Notes<readonly Offer[]>;
  /** Fingerprints of the secret keys, sorted. */
  fingerprints(): Promise<string[]>;
  /** Throws `exposed` when others may read the file. */
  secret(fingerprint: string): Promise<PrivateKey | undefined>;
  /** Overwrites the bytes of the one that it replaces. */
  putSecret(key: PrivateKey): Promise<void>;
  /** Overwrites it first. */
  removeSecret(fingerprint: string): Promise<void>;
}

export function openKeyFiles(directory: string): KeyFiles {
  const certificates = join(directory, 'certificates');
  const secrets = join(directory, 'secret');
  const certificateFile = (mailbox: string): string => join(certificates, `${fileNameOf(mailbox)}.asc`);
  const secretFile = (fingerprint: string): string => join(secrets, `${fingerprint}.asc`);
  const certificateCache = createFileCache(async (content, path) => {
    const [key] = await readKeyFile(content, path);
    if (key === undefined || key.isPrivate())
      throw new ClientError('bad-file', `${path} holds no certificate`);
    return key;
  });
  const secretCache = createFileCache(async (content, path) => {
    const [key] = await readKeyFile(content, path);
    if (!key?.isPrivate()) throw new ClientError('bad-file', `${path} holds no secret key`);
    return key;
  }, refuseExposed);
  const pins = openPins(directory);
  const offers = openOffers(directory);
  return {
    pins,
    offers,
    mailboxes: async () => (await names(certificates)).map(decodeURIComponent),
    certificate: (mailbox) => certificateCache.read(certificateFile(mailbox)),
    async putCertificate(mailbox, certificate) {
      await makePrivateDirectory(certificates);
      await writeFileDurable(certificateFile(mailbox), certificate.armor());
    },
    async removeCertificate(mailbox) {
      await unlink(certificateFile(mailbox));
      await syncDirectory(certificates);
      await pins.remove(mailbox);
      await offers.remove(mailbox);
    },
    fingerprints: () => names(secrets),
    secret: (fingerprint) => secretCache.read(secretFile(fingerprint)),
    async putSecret(key) {
      await makePrivateDirectory(secrets);
      await replaceSecret(secretFile(fingerprintOf(key)), key.armor());
    },
    removeSecret: (fingerprint) => overwriteAndRemove(secretFile(fingerprint)),
  };
}

function refuseExposed(mode: number, path: string): void {
  if (!isExposed({ mode })) return;
  throw new ClientError('exposed', `others may read the secret key in ${path}`, {
    hint: `Close it with: chmod 600 ${path}  If anyone may have copied it, make a new key.`,
  });
}

async function names(directory: string): Promise<string[]> {
  const files = (await readdir(directory).catch(absent)) ?? [];
  return files
    .filter((file) => /^[^.].*\.asc$/.test(file))
    .map((file) => file.slice(0, -'.asc'.length))
    .sort();
}
