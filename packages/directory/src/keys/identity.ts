import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBase64, encodeBase64 } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  formatAuthorityKey,
  isSameAuthority,
  ProtocolError,
  parseAuthorityKey,
} from '@postern/protocol/consensus';
import { composite, compositeSeedBytes } from '@postern/protocol/primitives';
import {
  isMissing,
  makePrivateDirectory,
  type Random,
  readSecretFile,
  writeFileDurable,
} from '@postern/runtime';
import { AuthorityError } from '../errors.ts';

/** Where a new authority's identity key is written: one line, base64 of the two seeds. From there it is to be moved away. */
export function identityPath(dataDir: string): string {
  return join(dataDir, 'identity.key');
}

/** Makes an identity key, readable by its owner only, durable when it returns. The caller has seen that there is none. */
export async function createIdentity(dataDir: string, random: Random): Promise<Uint8Array> {
  await makePrivateDirectory(dataDir);
  const { privateKey } = composite.generate(random);
  await writeFileDurable(identityPath(dataDir), `${encodeBase64(privateKey)}\n`, { mode: 0o600 });
  return privateKey;
}

/** The private key in a file, 64 bytes; undefined when there is no file. Throws `AuthorityError` when it holds something else, `UserError` `exposed`. */
export async function readPrivateKey(path: string): Promise<Uint8Array | undefined> {
  const bytes = await ifThere(readSecretFile(path, 'the key'));
  return bytes && parsePrivateKey(bytes, path);
}

export function parsePrivateKey(bytes: Buffer, path: string): Uint8Array {
  const key = decodeBase64(bytes.toString('utf8').trimEnd());
  if (key?.length === compositeSeedBytes) return key;
  throw new AuthorityError('wrong-key', `${path} holds no key`, 'Restore it from a backup.');
}

/** The file with what readers know the authority by, as they are given it: the identity key itself is elsewhere. */
export function authorityPath(dataDir: string): string {
  return join(dataDir, 'authority.vkey');
}

/** Undefined when there is no file. Throws `AuthorityError` `wrong-key` when it is of another name, or no such key. */
export async function readAuthority(name: string, dataDir: string): Promise<AuthorityKey | undefined> {
  const text = await ifThere(readFile(authorityPath(dataDir), 'utf8'));
  if (text === undefined) return undefined;
  const key = parsed(text.trimEnd());
  if (key?.name === name) return key;
  throw new AuthorityError(
    'wrong-key',
    `${authorityPath(dataDir)} ${key === undefined ? 'holds no authority key' : `is the key of ${key.name}`}`,
    'Name and identity key of an authority stay as they are. Restore the file, or start a new authority in an empty data directory.',
  );
}

/** Says whose the data directory is. Throws `AuthorityError` `wrong-key` when it is another's. */
export async function claim(dataDir: string, key: AuthorityKey): Promise<void> {
  const before = await readAuthority(key.name, dataDir);
  if (before === undefined) {
    await makePrivateDirectory(dataDir);
    return writeFileDurable(authorityPath(dataDir), `${formatAuthorityKey(key)}\n`, { mode: 0o644 });
  }
  if (isSameAuthority(before, key)) return undefined;
  throw new AuthorityError(
    'wrong-key',
    'this identity key is not the one that readers know this authority by',
    'Take the identity key that was made with it. Start a new authority in an empty data directory.',
  );
}

function parsed(vkey: string): AuthorityKey | undefined {
  try {
    return parseAuthorityKey(vkey);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
