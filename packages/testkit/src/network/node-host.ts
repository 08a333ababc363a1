import { join } from 'node:path';
import { createSmtpSender } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { type Clock, createLog, type Random, readToml } from '@postern/runtime';
import type { Recorder } from '../adversary/recorder.ts';
import { startTap, type Tap, type TapOptions } from '../adversary/tap.ts';
import { readObserved } from '../observed.ts';

/** A node of the network in one process, which can be stopped and started again. */
export interface NodeHost extends AsyncDisposable {
  readonly name: string;
  readonly role: 'mix' | 'delivery';
  /** Configuration and data. */
  readonly folder: string;
  readonly dataDir: string;
  /** What others connect to: everything passes through it. */
  readonly tap: Tap;
  /** What it has logged, over all its starts. */
  readonly log: () => string;
  /** The node while it runs. */
  readonly running: RunningNode | undefined;
  start(): Promise<RunningNode>;
  stop(): Promise<void>;
  /** What it exports, and what it tells its operator. */
  metrics(): Promise<string>;
}

export interface NodeHostOptions {
  readonly name: string;
  readonly role: 'mix' | 'delivery';
  readonly folder: string;
  readonly directoryUrl: string;
  readonly authority: string;
  readonly delivery?: {
    readonly domain: string;
    readonly maildir: string;
    readonly mailboxes: readonly string[];
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly recorder: Recorder;
  /** What its tap holds, and until when. */
  readonly hold: TapOptions['hold'];
}

/** Makes a node's keys and configuration, and its tap. */
export async function hostNode(options: NodeHostOptions): Promise<NodeHost> {
  const { name, role, folder, clock, random, recorder, hold } = options;
  const tap = await startTap({ name, ...(hold === undefined ? {} : { hold }) });
  const dataDir = join(folder, 'data');
  const configPath = join(folder, 'node.toml');
  await initNode(
    {
      configPath,
      dataDir: 'data',
      name,
      roles: [role],
      listen: '127.0.0.1:0',
      advertise: `${tap.address.host}:${tap.address.port}`,
      directoryUrls: [options.directoryUrl],
      authorities: [options.authority],
      ...(options.delivery === undefined ? {} : { delivery: options.delivery }),
    },
    { clock, random },
  );
  const config = { ...parseNodeConfig(await readToml(configPath), configPath), dataDir };
  const lines: string[] = [];
  const log = createLog({ name, level: 'debug', destination: { write: (line) => void lines.push(line) } });
  let running: RunningNode | undefined;

  const stop = async (): Promise<void> => {
    const node = running;
    running = undefined;
    await node?.close();
  };
  return {
    name,
    role,
    folder,
    dataDir,
    tap,
    log: () => lines.join(''),
    get running() {
      return running;
    },
    async start() {
      const sender = recorder.record(name, createSmtpSender({ ehloName: config.smtp.ehlo }));
      running = await startNode(config, { clock, random, log, sender });
      tap.leadTo(running.smtp);
      return running;
    },
    stop,
    metrics: () => readObserved(join(dataDir, 'control.sock')),
    async [Symbol.asyncDispose]() {
      await stop();
      await tap[Symbol.asyncDispose]();
    },
  };
}
