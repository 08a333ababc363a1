import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DirectoryClient, VerifiedConsensus } from '@postern/directory/client';
import { type Geometry, geometry, geometryDigest } from '@postern/protocol/packet';
import { type Clock, type Log, type Random, writeFileDurable } from '@postern/runtime';
import { jitteredBackoff } from './backoff.ts';
import { codeOf } from './loop.ts';

/** What does not change while a network lives. */
export interface Network {
  readonly epochSeconds: number;
  readonly geometry: Geometry;
}

export interface NetworkContext {
  readonly dataDir: string;
  readonly directory: Pick<DirectoryClient, 'parameters'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const pause = { firstMs: 500, mostMs: 30_000 };

/**
 * Epoch length and geometry as the directory signs them; while it cannot be reached, as they were last time. A node that has never
 * seen them waits until it can, since it could neither make keys nor tell a packet by its size.
 */
export async function learnNetwork(context: NetworkContext): Promise<Network> {
  const { dataDir, directory, clock, random, log, signal } = context;
  const path = join(dataDir, 'network.json');
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    const learned = await directory.parameters().catch((error: unknown) => ({ error }));
    if (!('error' in learned)) return keep(path, learned, log);
    signal.throwIfAborted(); // it was this node that hung up
    const known = await readNetwork(path);
    log.warn('the directory does not answer', { code: codeOf(learned.error), known: known !== undefined });
    if (known !== undefined) return known;
    await clock.wait(clock.now() + jitteredBackoff(failures, pause, random), signal);
  }
}

/** Without the file it is the next start that needs a directory that answers; this one does not fail for it. */
async function keep(path: string, { epochSeconds, geometry }: Network, log: Log): Promise<Network> {
  const network = { epochSeconds, geometry };
  await writeFileDurable(path, format(network), { mode: 0o644 }).catch((error: unknown) => {
    log.warn('the parameters of the network cannot be kept', { path, code: codeOf(error) });
  });
  return network;
}

export function sameNetwork(network: Network, { consensus, geometry }: VerifiedConsensus): boolean {
  const digest = (g: Geometry): string => Buffer.from(geometryDigest(g)).toString('hex');
  return consensus.epochSeconds === network.epochSeconds && digest(geometry) === digest(network.geometry);
}

function format({ epochSeconds, geometry: { suite, hops, routingBytes, packetBytes } }: Network): string {
  return `${JSON.stringify({ epochSeconds, geometry: { suite, hops, routingBytes, packetBytes } })}\n`;
}

async function readNetwork(path: string): Promise<Network | undefined> {
  try {
    const read = JSON.parse(await readFile(path, 'utf8')) as Parameters<typeof geometryFrom>[0];
    return geometryFrom(read);
  } catch {
    return undefined;
  }
}

function geometryFrom(read: { epochSeconds: number; geometry: Parameters<typeof geometry>[0] }): Network {
  return { epochSeconds: read.epochSeconds, geometry: geometry(read.geometry) };
}
