import { join } from 'node:path';
import { decodeBase64, encodeBase64, encodeHex } from '@postern/protocol/codec';
import { ed25519, sha256 } from '@postern/protocol/primitives';
import { type Random, writeFileDurable } from '@postern/runtime';
import { readKeyFile, wrongKeyFile } from './files.ts';

/** What a node's identity key makes of it: whoever holds that is the node. */
export interface Identity {
  readonly publicKey: Uint8Array;
  /** SHA-256 of the public key, 32 bytes: what packets call the node. */
  readonly nodeId: Uint8Array;
  /** The same in hex: what the consensus calls it. */
  readonly id: string;
}

/** Where the identity key lies, until its operator moves it. */
export function identityPath(dataDir: string): string {
  return join(dataDir, 'identity.key');
}

/** Makes `identity.key`: one line, base64 of the Ed25519 seed, which it gives. */
export async function createIdentity(dataDir: string, random: Random): Promise<Uint8Array> {
  const { privateKey } = ed25519.generate(random);
  await writeFileDurable(identityPath(dataDir), formatSeed(privateKey));
  return privateKey;
}

/** The seed in a file that `createIdentity` has made. Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function readIdentity(path: string): Promise<Uint8Array> {
  const text = Buffer.from(await readKeyFile(path)).toString('latin1');
  return parseSeed(text) ?? Promise.reject(wrongKeyFile(path, 'identity key'));
}

/** The node of an identity public key. */
export function identityOf(publicKey: Uint8Array): Identity {
  const nodeId = sha256(publicKey);
  return { publicKey, nodeId, id: encodeHex(nodeId) };
}

export function formatSeed(seed: Uint8Array): string {
  return `${encodeBase64(seed)}\n`;
}

/** The inverse of `formatSeed`; undefined for anything else. */
export function parseSeed(text: string): Uint8Array | undefined {
  const seed = decodeBase64(text.trimEnd());
  return seed?.length === 32 ? seed : undefined;
}
