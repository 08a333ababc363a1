import { join } from 'node:path';
import { decodeBase64, encodeBase64 } from '@postern/protocol/codec';
import {
  type NodeCertificate,
  signNodeCertificate,
  verifyNodeCertificate,
} from '@postern/protocol/consensus';
import { ed25519 } from '@postern/protocol/primitives';
import { type Random, replaceSecret } from '@postern/runtime';
import { readSecret, wrongKeyFile } from './files.ts';
import { formatSeed, type Identity, identityOf, parseSeed } from './identity.ts';

/** The key that a node signs its descriptors with, and what its identity key says of it. */
export interface SigningKey extends Identity {
  /** Ed25519 seed. */
  readonly seed: Uint8Array;
  readonly signingKey: Uint8Array;
  /** A note (spec consensus 12). */
  readonly certificate: string;
  /** Unix seconds. */
  readonly validUntil: number;
}

export interface CertifyOptions {
  readonly dataDir: string;
  /** Seed of the identity key. */
  readonly identity: Uint8Array;
  /** Unix seconds. */
  readonly now: number;
  /** From now on. */
  readonly days: number;
  readonly random: Random;
}

/** What is usual, and most: the key ends in the year in which the operator is used to renewing it. */
export const usualDays = 365;
export const mostDays = 366;

const daySeconds = 86_400;

/** Seconds before a signing key ends from which on the operator is told. */
const warnSeconds = 30 * daySeconds;

/**
 * Makes `signing.key`: the base64 of an Ed25519 seed, and behind that line its certificate. What was there is replaced, both at once, and
 * overwritten. A node that runs takes it with its next descriptor.
 */
export async function certify({ dataDir, identity, now, days, random }: CertifyOptions): Promise<SigningKey> {
  const { privateKey } = ed25519.generate(random);
  const members: NodeCertificate = {
    version: 1,
    identityKey: encodeBase64(ed25519.publicKey(identity)),
    signingKey: encodeBase64(ed25519.publicKey(privateKey)),
    validAfter: now,
    validUntil: now + days * daySeconds,
  };
  const text = formatSeed(privateKey) + signNodeCertificate(members, identity);
  await replaceSecret(pathIn(dataDir), text);
  return loadSigningKey(dataDir);
}

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function loadSigningKey(dataDir: string): Promise<SigningKey> {
  const path = pathIn(dataDir);
  const text = Buffer.from(await readSecret(path, { what: 'the key', ifMissing })).toString('utf8');
  const end = text.indexOf('\n') + 1;
  const seed = parseSeed(text.slice(0, end));
  const certificate = text.slice(end);
  const verified = verifyNodeCertificate(certificate);
  if (seed === undefined || verified.kind === 'refused') throw wrongKeyFile(path, 'signing key');
  const { identityKey, signingKey: certified, validUntil } = verified.certificate;
  const signingKey = ed25519.publicKey(seed);
  if (encodeBase64(signingKey) !== certified)
    throw wrongKeyFile(path, 'signing key of the certificate in it');
  const identity = identityOf(decodeBase64(identityKey) ?? new Uint8Array());
  return { ...identity, seed, signingKey, certificate, validUntil };
}

/** Whether somebody has to see to it now. */
export function isEnding({ validUntil }: Pick<SigningKey, 'validUntil'>, nowSeconds: number): boolean {
  return nowSeconds >= validUntil - warnSeconds;
}

const ifMissing =
  'Make one with the node’s identity key: postern-node certify --identity FILE. Or correct data_dir, restore the file from a backup, or begin anew: postern-node init.';

function pathIn(dataDir: string): string {
  return join(dataDir, 'signing.key');
}
