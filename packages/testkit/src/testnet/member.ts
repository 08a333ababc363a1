import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Endpoint, formatEndpoint, readControl } from '@postern/runtime';
import { startTap, type Tap, type TapOptions } from '../adversary/tap.ts';
import { TestkitError } from '../errors.ts';
import { readObserved } from '../observed.ts';
import { lastLines, runProgram, type Supervised, startProcess } from '../supervise/process.ts';
import { until } from '../until.ts';
import type { NetworkProcess, ProcessRole } from './network-file.ts';

/** A process of the network: made by its `init`, run by its `run`. */
export interface Member extends AsyncDisposable {
  readonly name: string;
  readonly role: ProcessRole;
  /** Everything of it lies below: configuration, data, log. */
  readonly folder: string;
  /** Where it listens itself. */
  readonly listen: Endpoint;
  /** Where others reach it. */
  readonly reach: Endpoint;
  readonly tap: Tap | undefined;
  readonly process: Supervised;
  readonly ready: Promise<void>;
  /** What it exports, and what it tells its operator. */
  metrics(): Promise<string>;
  status(): Promise<unknown>;
  describe(): NetworkProcess;
}

export interface MemberOptions {
  readonly name: string;
  readonly role: ProcessRole;
  readonly dir: string;
  readonly port: number;
  readonly restart: boolean;
  /** The Redis that has a node's spool. */
  readonly redis: string | undefined;
  /** A tap before it, which tells of every chunk. */
  readonly tap: Pick<TapOptions, 'onChunk' | 'hold' | 'keep'> | undefined;
  /** Arguments of `init` beside those for name, configuration, data folder and listener. */
  readonly init: readonly string[];
  /** Called with every start of the process. */
  readonly onStart: (name: string, pid: number) => void;
  /** Called when it has ended by itself or was killed, with how. */
  readonly onEnd: (name: string, end: string) => void;
  /** How much longer than usual it may take to be ready, milliseconds. */
  readonly patienceMs?: number;
  /** Ends the waiting for it to be ready. */
  readonly signal: AbortSignal | undefined;
}

/** A member whose keys and configuration are there. Owns the tap; the process belongs to the `Member`. */
export interface Prepared extends AsyncDisposable {
  readonly name: string;
  readonly reach: Endpoint;
  readonly config: string;
  /** What `init` printed: an authority's key, a node's id. */
  readonly printed: string;
  start(): Promise<Member>;
}

export async function prepareMember(options: MemberOptions): Promise<Prepared> {
  const { name, role, dir, port, init } = options;
  const folder = join(dir, name);
  const listen: Endpoint = { host: '127.0.0.1', port };
  const tap = options.tap === undefined ? undefined : await startTap({ ...options.tap, name });
  tap?.leadTo(listen);
  const reach = tap?.address ?? listen;
  const kind = role === 'authority' ? 'directory' : 'node';
  const config = join(folder, `${kind}.toml`);
  const own = ['--name', name, '--config', config, '--listen', formatEndpoint(listen)];
  const place =
    role === 'authority'
      ? ['--data-dir', 'data']
      : ['--dir', 'data', '--role', role, '--advertise', formatEndpoint(reach)];
  const program = role === 'authority' ? 'postern-directory' : 'postern-node';
  try {
    const printed = await runProgram(program, ['init', ...own, ...place, ...init]);
    if (kind === 'node' && options.redis !== undefined) await keepSpoolIn(options.redis, config);
    return {
      name,
      reach,
      config,
      printed: printed.trim(),
      start: () => startMember(options, { folder, listen, reach, tap, config }),
      async [Symbol.asyncDispose]() {
        await tap?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await tap?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** Changes a node's configuration as its operator does: docs/operations/redis.md. */
async function keepSpoolIn(redis: string, config: string): Promise<void> {
  const text = await readFile(config, 'utf8');
  const stored = text.replace('# store = "sqlite"', 'store = "redis"');
  if (stored === text) throw new Error(`${config} names no store`);
  await writeFile(config, `${stored}\n[spool.redis]\nurl = ${JSON.stringify(redis)}\n`);
}

/** Tells authorities of each other as their operators do: docs/authority.md. */
export async function makePeers(authorities: readonly Prepared[]): Promise<void> {
  for (const { name, config } of authorities) {
    const peers = authorities.filter((other) => other.name !== name);
    const sections = peers.map(({ reach, printed }) => {
      const url = `http://${formatEndpoint(reach)}`;
      return `\n[[peers]]\nurl = ${JSON.stringify(url)}\nkey = ${JSON.stringify(printed)}\n`;
    });
    await appendFile(config, sections.join(''));
  }
}

interface Place {
  readonly folder: string;
  readonly listen: Endpoint;
  readonly reach: Endpoint;
  readonly tap: Tap | undefined;
  readonly config: string;
}

async function startMember(options: MemberOptions, place: Place): Promise<Member> {
  const { name, role, restart } = options;
  const { folder, listen, reach, tap, config } = place;
  const process = await startProcess({
    name,
    program: role === 'authority' ? 'postern-directory' : 'postern-node',
    args: ['run', '--config', config],
    log: join(folder, 'log'),
    restart,
    onStart: (pid) => options.onStart(name, pid),
    onEnd: (end) => options.onEnd(name, end),
  });
  const socket = join(folder, 'data', 'control.sock');
  const status = async (): Promise<unknown> => JSON.parse(await readControl(socket, '/status'));
  const ready = awaitReady(process, status, options);
  ready.catch(() => undefined); // whoever waits for it is told
  return {
    name,
    role,
    folder,
    listen,
    reach,
    tap,
    process,
    status,
    metrics: () => readObserved(socket),
    ready,
    describe: () => ({
      name,
      role,
      pid: process.pid,
      smtp: role === 'authority' ? null : listen,
      http: role === 'authority' ? `http://${formatEndpoint(listen)}` : null,
      dataDir: join(folder, 'data'),
      log: process.log,
      config,
      tap: tap?.address ?? null,
    }),
    async [Symbol.asyncDispose]() {
      await process.stop();
    },
  };
}

/** Long, since nine processes may have to share two slow cores with others. */
const readyDeadlineMs = 120_000;

/** An authority is ready when it answers, a node when the consensus lists it. */
async function awaitReady(
  process: Supervised,
  status: () => Promise<unknown>,
  { signal, patienceMs = 0 }: Pick<MemberOptions, 'signal' | 'patienceMs'>,
): Promise<void> {
  const working = async (): Promise<boolean> => {
    const found = (await status().catch(() => undefined)) as
      | {
          readonly roles?: unknown;
          readonly consensus?: { readonly listed?: boolean; readonly counted?: boolean } | null;
        }
      | undefined;
    return (
      found !== undefined &&
      (found.roles === undefined || found.consensus?.listed === true || found.consensus?.counted === true)
    );
  };
  const over = new AbortController();
  const ended = process.ended.then(async (end) => {
    if (over.signal.aborted) return;
    throw new TestkitError('not-ready', `${process.name} ended: ${end}\n${await lastLines(process)}`, {
      hint: `Its log: ${process.log}`,
    });
  });
  try {
    const given = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
    const what = `${process.name} is ready`;
    await Promise.race([
      ended,
      until(working, { what, deadlineMs: readyDeadlineMs + patienceMs, signal: given }),
    ]);
  } finally {
    over.abort();
  }
}
