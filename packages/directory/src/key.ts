import { join } from 'node:path';
import { decodeBase64, encodeBase64 } from '@postern/protocol/codec';
import { ed25519 } from '@postern/protocol/primitives';
import {
  isMissing,
  makePrivateDirectory,
  type Random,
  readSecretFile,
  writeFileDurable,
} from '@postern/runtime';
import { AuthorityError } from './errors.ts';

/** The file in an authority's data directory that holds its signing key: one line, base64 of the Ed25519 seed. */
export function keyPath(dataDir: string): string {
  return join(dataDir, 'authority.key');
}

/** Makes a signing key, readable by its owner only, durable when it returns. Never replaces one. */
export async function createKey(
  dataDir: string,
  random: Random,
): Promise<{ seed: Uint8Array; publicKey: Uint8Array }> {
  if ((await readKey(dataDir)) !== undefined)
    throw new AuthorityError(
      'already-there',
      `${keyPath(dataDir)} exists already`,
      'An authority keeps its key: clients know it by it. Choose another data directory for a new authority.',
    );
  await makePrivateDirectory(dataDir);
  const { privateKey, publicKey } = ed25519.generate(random);
  await writeFileDurable(keyPath(dataDir), `${encodeBase64(privateKey)}\n`, { mode: 0o600 });
  return { seed: privateKey, publicKey };
}

/** The seed of the signing key, 32 bytes; undefined when there is no file. Throws `AuthorityError` when it holds something else, `UserError` `exposed`. */
export async function readKey(dataDir: string): Promise<Uint8Array | undefined> {
  const path = keyPath(dataDir);
  const bytes = await readSecretFile(path, 'the key').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  const seed = decodeBase64(bytes.toString('utf8').trimEnd());
  if (seed?.length === 32) return seed;
  throw new AuthorityError('wrong-key', `${path} holds no key`, 'Restore it from a backup.');
}
