import { join } from 'node:path';
import { noteSigner } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  type Certificate,
  type CertifiedSigner,
  covers,
  formatAuthorityKey,
  type SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import { AuthorityError } from '../errors.ts';
import { listSigningFiles, readSigningFiles, type SigningFile, signingFolder } from './files.ts';

/** The signing keys of an authority at work. What `certify` adds meanwhile is found. */
export interface SigningKeys {
  /** What readers know the authority by. */
  readonly authority: AuthorityKey;
  readonly vkey: string;
  /** For a document of a time, Unix seconds; undefined when no certificate is for both that time and the present one. */
  signerFor(seconds: number): CertifiedSigner | undefined;
  /** Unix seconds: from then on nothing can be signed. */
  validUntil(): number;
  /** Of all certificates, in order of time, those past too. */
  own(): readonly OwnKey[];
}

export interface OwnKey {
  /** As a note. */
  readonly signed: string;
  readonly certificate: Certificate;
  readonly key: SigningKey;
  /** Undefined once the private key has been destroyed. */
  readonly signer: CertifiedSigner | undefined;
}

/** What is told of keys that are read again. */
export interface SigningKeysNews {
  /** Called once for each reason. */
  failed(error: Error): void;
  /** Another one than before signs last, until then, Unix seconds. */
  taken(validUntil: number): void;
}

/**
 * Throws `AuthorityError` `no-key` when there is no certificate, or none whose private key is there, `wrong-key` when a file is damaged or another
 * authority's. What cannot be read later on, while `certify` is at it or for want of files, leaves the keys as they were.
 */
export function openSigningKeys(
  authority: AuthorityKey,
  dataDir: string,
  clock: Clock,
  { failed, taken }: SigningKeysNews = { failed() {}, taken() {} },
): SigningKeys {
  let listed: string | undefined;
  let keys: readonly OwnKey[] = [];
  let fault = '';
  const signing = (): readonly OwnKey[] => keys.filter(({ signer }) => signer !== undefined);
  const read = (): void => {
    const names = listSigningFiles(dataDir).join();
    if (names === listed) return;
    const found = readSigningFiles(dataDir)
      .map((file) => openSigningFile(file, [authority]))
      .sort((a, b) => a.key.validAfter - b.key.validAfter || a.key.validUntil - b.key.validUntil);
    if (!found.some(({ signer }) => signer !== undefined)) throw noKey(dataDir, found);
    const before = signing().at(-1);
    keys = found;
    listed = names;
    const last = signing().at(-1);
    if (before !== undefined && last !== undefined && last.key.keyId !== before.key.keyId)
      taken(last.key.validUntil);
  };
  /** Those that are past are destroyed; any other one has to be there. */
  const assertWhole = (): void => {
    const now = Math.floor(clock.now() / 1_000);
    const lacking = keys.find(({ key, signer }) => signer === undefined && key.validUntil > now);
    if (lacking !== undefined) throw noKey(dataDir, [lacking]);
  };
  const own = (): readonly OwnKey[] => {
    try {
      read();
      assertWhole();
      fault = '';
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error.message !== fault) failed(error);
      fault = error.message;
    }
    return keys;
  };
  read();
  return {
    authority,
    vkey: formatAuthorityKey(authority),
    own,
    signerFor(seconds) {
      const now = Math.floor(clock.now() / 1_000);
      const usable = own().filter(
        ({ key, signer }) => signer !== undefined && covers(key, seconds) && covers(key, now),
      );
      return usable.at(-1)?.signer;
    },
    validUntil: () =>
      Math.max(0, ...own().flatMap(({ key, signer }) => (signer === undefined ? [] : [key.validUntil]))),
  };
}

function noKey(dataDir: string, found: readonly OwnKey[]): AuthorityError {
  const folder = signingFolder(dataDir);
  const last = found.at(-1);
  if (last === undefined)
    return new AuthorityError(
      'no-key',
      `there is no signing key in ${folder}`,
      'Restore that folder from a backup, or make a key: postern-directory certify --identity FILE',
    );
  const id = last.key.keyId.toString(16).padStart(8, '0');
  return new AuthorityError(
    'no-key',
    `${join(folder, `${id}.key`)} is missing, and its certificate is there`,
    'Bring it back, or make another key: postern-directory certify --identity FILE',
  );
}

/** Throws `AuthorityError` `wrong-key` unless the certificate holds and the private key belongs to it. */
export function openSigningFile(file: SigningFile, authorities: readonly AuthorityKey[]): OwnKey {
  const { id, certificate: signed, privateKey } = file;
  const verified = verifyCertificate(signed, { authorities });
  if (verified.kind === 'refused') throw wrongFile(`${id}.certificate`, verified.detail);
  const { certificate, key } = verified;
  const signer = privateKey && { ...noteSigner('composite', key.name, privateKey), certificate: signed };
  if (signer !== undefined && signer.keyId !== key.keyId)
    throw wrongFile(`${id}.key`, 'it is not the key that the certificate is for');
  return { signed, certificate, key, signer };
}

function wrongFile(name: string, why: string): AuthorityError {
  return new AuthorityError(
    'wrong-key',
    `signing/${name} does not hold: ${why}`,
    'Restore it from a backup, or remove it and make another: postern-directory certify --identity FILE. Name and identity key of an authority stay as they are.',
  );
}
