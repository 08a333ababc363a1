import { join } from 'node:path';
import { decodeBase64, encodeBase64, encodeHex } from '@postern/protocol/codec';
import { ed25519, sha256 } from '@postern/protocol/primitives';
import { type Random, writeFileDurable } from '@postern/runtime';
import { readKeyFile, wrongKeyFile } from './files.ts';

/** A node's long-term key: whoever holds it is the node. */
export interface Identity {
  /** Ed25519 seed. */
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  /** SHA-256 of the public key, 32 bytes: what packets call the node. */
  readonly nodeId: Uint8Array;
  /** The same in hex: what the consensus calls it. */
  readonly id: string;
}

/** Makes `identity.key`: one line, base64 of the Ed25519 seed. */
export async function createIdentity(dataDir: string, random: Random): Promise<Identity> {
  const { privateKey } = ed25519.generate(random);
  await writeFileDurable(pathIn(dataDir), `${encodeBase64(privateKey)}\n`);
  return identityFrom(privateKey);
}

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function loadIdentity(dataDir: string): Promise<Identity> {
  const path = pathIn(dataDir);
  const seed = decodeBase64(
    Buffer.from(await readKeyFile(path))
      .toString('latin1')
      .trimEnd(),
  );
  if (seed?.length !== 32) throw wrongKeyFile(path, 'identity key');
  return identityFrom(seed);
}

function identityFrom(seed: Uint8Array): Identity {
  const publicKey = ed25519.publicKey(seed);
  const nodeId = sha256(publicKey);
  return { seed, publicKey, nodeId, id: encodeHex(nodeId) };
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'identity.key');
}
