import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBase64 } from '@postern/protocol/codec';
import {
  isMissing,
  makePrivateDirectory,
  overwriteAndRemove,
  readSecretFileSync,
  writeFileDurable,
} from '@postern/runtime';
import { parsePrivateKey } from './identity.ts';

/** A signing key as it lies in the data directory: in `signing`, a certificate and, unless it is past, the private key beside it. */
export interface SigningFile {
  /** Key id, eight hex digits. */
  readonly id: string;
  /** As a note. */
  readonly certificate: string;
  readonly privateKey?: Uint8Array;
}

export function signingFolder(dataDir: string): string {
  return join(dataDir, 'signing');
}

/** All that have a certificate, by key id. Of a key whose certificate was not written nothing is known. Throws `UserError` `exposed`. */
export function readSigningFiles(dataDir: string): SigningFile[] {
  const folder = signingFolder(dataDir);
  const names = listSigningFiles(dataDir);
  return names
    .filter((name) => name.endsWith('.certificate'))
    .map((name) => {
      const id = name.slice(0, -'.certificate'.length);
      const path = keyPath(folder, id);
      return {
        id,
        certificate: readFileSync(join(folder, name), 'utf8'),
        ...(names.includes(`${id}.key`) && {
          privateKey: parsePrivateKey(readSecretFileSync(path, 'the key'), path),
        }),
      };
    });
}

/** Names in order: what has changed shows in them, since no file is written twice. */
export function listSigningFiles(dataDir: string): string[] {
  try {
    return readdirSync(signingFolder(dataDir))
      .filter((name) => /^[0-9a-f]{8}\.(?:certificate|key)$/.test(name))
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** The key first: a certificate without it would stop the authority. */
export async function writeSigningFile(
  dataDir: string,
  { id, certificate, privateKey }: Required<SigningFile>,
): Promise<void> {
  const folder = signingFolder(dataDir);
  await makePrivateDirectory(folder);
  await writeFileDurable(keyPath(folder, id), `${encodeBase64(privateKey)}\n`, { mode: 0o600 });
  await writeFileDurable(join(folder, `${id}.certificate`), certificate, { mode: 0o644 });
}

/** Overwrites and removes a private key. Its certificate stays: what it signed is read as long as there is history. */
export async function destroyPrivateKey(dataDir: string, id: string): Promise<void> {
  await overwriteAndRemove(keyPath(signingFolder(dataDir), id));
}

function keyPath(folder: string, id: string): string {
  return join(folder, `${id}.key`);
}
