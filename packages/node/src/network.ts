import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DirectoryClient, DirectoryError, type VerifiedConsensus } from '@postern/directory/client';
import { type Geometry, geometry, geometryDigest } from '@postern/protocol/packet';
import { type Clock, ExitCode, type Log, type Random, serveFault, writeFileDurable } from '@postern/runtime';
import { jitteredBackoff } from './backoff.ts';
import { NodeError } from './errors.ts';
import { codeOf } from './loop.ts';
import { troubleFields } from './register/trouble.ts';

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
 * seen them waits until it can, since it could neither make keys nor tell a packet by its size: its control socket says so meanwhile.
 */
export async function learnNetwork(context: NetworkContext): Promise<Network> {
  const { dataDir, directory, clock, random, log, signal } = context;
  const path = join(dataDir, 'network.json');
  let said = '';
  let why: unknown;
  const since = new Date(clock.now()).toISOString();
  await using _control = await serveFault(join(dataDir, 'control.sock'), () => notStarted(since, why));
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    const learned = await directory.parameters().catch((error: unknown) => ({ error }));
    if (!('error' in learned)) return keep(path, learned, log);
    signal.throwIfAborted(); // it was this node that hung up
    const known = await readNetwork(path);
    const fields = { ...troubleFields(learned.error), known: known !== undefined };
    const says = JSON.stringify(fields);
    if (says !== said) log.warn('no directory gives parameters that hold', fields);
    said = says;
    if (known !== undefined) return known;
    why = learned.error;
    await clock.wait(clock.now() + jitteredBackoff(failures, pause, random), signal);
  }
}

function notStarted(since: string, why: unknown): NodeError {
  const waits = `the node has not started: since ${since} it asks for the parameters of its network`;
  if (!(why instanceof DirectoryError))
    return new NodeError('no-network', why === undefined ? waits : `${waits}, which failed: ${codeOf(why)}`, {
      exitCode: ExitCode.tempFail,
    });
  const { message, exitCode, hint } = why;
  return new NodeError('no-network', `${waits}, and ${message}`, { cause: why, exitCode, hint });
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
