import { hkdfSync } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { xwingSeedBytes } from '@postern/protocol/primitives';
import { overwriteAndRemove, type Random, writeFileDurable } from '@postern/runtime';
import { readKeyFile, wrongKeyFile } from './files.ts';

/**
 * Where the seeds of a mix come from whose processes have to have the same: a chain key gives the seed of its epoch and the chain key of
 * the next, and neither leads back to it. A forward-secure generator: Bellare and Yee, "Forward-Security in Private-Key Cryptography",
 * CT-RSA 2003, with HKDF-SHA256 (RFC 5869) as the pseudorandom function.
 */
export interface Chain {
  /** Which chain it is: 16 bytes of chance in hex, and no secret. */
  readonly lineage: string;
  /** The epoch that it began with: there are no seeds of earlier ones. */
  readonly first: number;
  /** The epoch whose seed comes next. */
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export const lineageBytes = 16;
const firstBytes = 4;
const keyBytes = 32;

export function newChain(epoch: number, random: Random): Chain {
  const lineage = Buffer.from(random.bytes(lineageBytes)).toString('hex');
  return { lineage, first: epoch, epoch, key: random.bytes(keyBytes) };
}

/** The X-Wing seed of the chain's epoch. */
export function seedOf({ key }: Chain): Uint8Array {
  return derive(key, 'postern mix seed', xwingSeedBytes);
}

/** The chain of one epoch later. */
export function successor(chain: Chain): Chain {
  return { ...chain, epoch: chain.epoch + 1, key: derive(chain.key, 'postern mix chain', keyBytes) };
}

function derive(key: Uint8Array, label: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), label, length));
}

/** The chains in a folder, the furthest first; a crash leaves two of one lineage. Throws `NodeError` `wrong-key-file`. */
export async function readChains(folder: string): Promise<Chain[]> {
  const names = (await readdir(folder)).filter((name) => chainEpochOf(name) !== undefined);
  const chains = await Promise.all(names.map((name) => readChain(folder, name)));
  return chains.sort((a, b) => b.epoch - a.epoch);
}

async function readChain(folder: string, name: string): Promise<Chain> {
  const path = join(folder, name);
  const bytes = Buffer.from(await readKeyFile(path));
  if (bytes.length !== lineageBytes + firstBytes + keyBytes) throw wrongKeyFile(path, 'chain of mix keys');
  return {
    lineage: bytes.toString('hex', 0, lineageBytes),
    first: bytes.readUInt32BE(lineageBytes),
    epoch: chainEpochOf(name) ?? 0,
    key: new Uint8Array(bytes.subarray(lineageBytes + firstBytes)),
  };
}

/** Durable when it returns. */
export async function writeChain(folder: string, { lineage, first, epoch, key }: Chain): Promise<void> {
  const head = Buffer.alloc(lineageBytes + firstBytes);
  head.write(lineage, 'hex');
  head.writeUInt32BE(first, lineageBytes);
  await writeFileDurable(pathOf(folder, epoch), Buffer.concat([head, key]));
}

export async function destroyChain(folder: string, { epoch }: Chain): Promise<void> {
  await overwriteAndRemove(pathOf(folder, epoch));
}

/** By a file's name. */
export function chainEpochOf(name: string): number | undefined {
  const [, digits] = /^(\d{1,10})\.chain$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function pathOf(folder: string, epoch: number): string {
  return join(folder, `${epoch}.chain`);
}
