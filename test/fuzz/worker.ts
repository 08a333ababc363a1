import { join, sep } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Campaign, type Fault, type Tally } from './campaign.ts';
import { Coverage } from './coverage.ts';
import { nowMs, Shared, threadMs } from './shared.ts';
import { defaultBounded, defaultMostMs, type Target } from './target.ts';

/** What a worker is started with. */
export interface Work {
  /** Path of the module whose `targets` they are. */
  readonly module: string;
  readonly counted: RegExp;
  readonly shared: SharedArrayBuffer;
  readonly seed: string;
  readonly task:
    | {
        readonly kind: 'campaigns';
        readonly targets: readonly Begin[];
        /** Follows coverage, and goes on until it is stopped; else as many mutations as each target names. */
        readonly endless: boolean;
      }
    /** One input alone. */
    | { readonly kind: 'replay'; readonly target: string; readonly input: Uint8Array };
}

/** A target's name, and the inputs to begin with. */
export interface Begin {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  /** Those that led on in this campaign before. */
  readonly kept: readonly Uint8Array[];
}

/** What a worker says. */
export type Said =
  /** From here on it runs inputs. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'kept'; readonly target: string; readonly input: Uint8Array }
  | { readonly kind: 'tally'; readonly target: string; readonly tally: Tally }
  /** Bytes of the heap after a collection, without what campaigns hold by design. */
  | { readonly kind: 'heap'; readonly bytes: number }
  | { readonly kind: 'essence'; readonly target: string; readonly inputs: readonly Uint8Array[] }
  | { readonly kind: 'done' };

const turnMs = 500;
const heapEveryMs = 10_000;

const work = workerData as Work;
const shared = new Shared(work.shared);
const port = parentPort;
if (port === null) throw new Error('this is a worker');
const say = (said: Said): void => port.postMessage(said);

const coverage = work.task.kind === 'campaigns' && work.task.endless ? new Coverage() : undefined;
coverage?.begin(isCounted);
const { targets } = (await import(work.module)) as { targets: readonly Target[] };
if (work.task.kind === 'replay') await replay(work.task);
else await runCampaigns(work.task);
await turn();
say({ kind: 'done' });

async function replay({ target: name, input }: { target: string; input: Uint8Array }): Promise<void> {
  const target = named(name);
  await target.seeds();
  say({ kind: 'ready' });
  shared.enter({ target: name, mostMs: target.mostMs ?? defaultMostMs, usedMs: threadMs() }, input);
  await target.run(input);
  shared.leave();
  await target.close?.();
}

async function runCampaigns(task: Extract<Work['task'], { kind: 'campaigns' }>): Promise<void> {
  const campaigns: Campaign[] = [];
  say({ kind: 'ready' });
  for (const { name, corpus, kept } of task.targets) {
    const target = named(name);
    const found = (fault: Fault): void => say({ kind: 'fault', fault });
    const led = (input: Uint8Array): void => say({ kind: 'kept', target: name, input });
    const campaign = new Campaign({ target, seed: work.seed, shared, coverage, found, led });
    await campaign.begin(corpus, kept);
    campaigns.push(campaign);
    tell(campaign);
  }
  if (task.endless) await takeTurns(campaigns);
  else for (const campaign of campaigns) await runBounded(campaign);
  for (const campaign of campaigns) {
    if (task.endless) say({ kind: 'essence', target: campaign.target.name, inputs: campaign.essence() });
    await campaign.target.close?.();
  }
}

async function runBounded(campaign: Campaign): Promise<void> {
  let left = campaign.target.bounded ?? defaultBounded;
  await campaign.mutateUntil(() => left-- <= 0 || shared.stopped);
  tell(campaign);
  await turn();
}

/** What is said goes out, sockets close, and a rejection that nobody has handled ends the thread while its target is the last one. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Round after round, each target gets the same time. */
async function takeTurns(campaigns: readonly Campaign[]): Promise<void> {
  let heapAt = nowMs();
  while (!shared.stopped && campaigns.length > 0) {
    for (const campaign of campaigns) {
      const end = nowMs() + turnMs;
      await campaign.mutateUntil(() => shared.stopped || nowMs() >= end);
      tell(campaign);
      await turn();
    }
    if (nowMs() >= heapAt || shared.stopped) {
      heapAt = nowMs() + heapEveryMs;
      say({ kind: 'heap', bytes: heapBytes(campaigns) });
    }
  }
}

function tell({ target, tally }: Campaign): void {
  say({ kind: 'tally', target: target.name, tally });
}

function heapBytes(campaigns: readonly Campaign[]): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external - campaigns.reduce((sum, { tally }) => sum + tally.heldBytes, 0);
}

function named(name: string): Target {
  const target = targets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`there is no target ${name}`);
  return target;
}

function isCounted(path: string): boolean {
  const root = join(import.meta.dirname, '..', '..') + sep;
  return path.startsWith(root) && work.counted.test(path.slice(root.length));
}
