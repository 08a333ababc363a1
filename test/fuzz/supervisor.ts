import { Worker } from 'node:worker_threads';
import type { Fault, Tally } from './campaign.ts';
import { nameOf } from './corpus.ts';
import { nowMs, Shared } from './shared.ts';
import type { Said, Work } from './worker.ts';

/** What went wrong, and whether it does so again by that input alone. If not, it may be the fault of a run before, and of another target. */
export interface Finding extends Fault {
  readonly reproduced: boolean;
}

export interface FuzzOptions {
  /** Path of the module whose `targets` they are. */
  readonly module: string;
  readonly targets: readonly string[];
  /** Names by a pattern the files, relative to the repository, whose places are counted where coverage is followed. */
  readonly counted: RegExp;
  readonly corpus: (target: string) => readonly Uint8Array[];
  readonly seed: string;
  /** Worker threads, among which the targets are dealt. */
  readonly jobs: number;
  /** Follows coverage until `signal`; else each target's bounded number of mutations. */
  readonly endless: boolean;
  readonly signal?: AbortSignal;
  readonly onFinding?: (finding: Finding) => void;
}

export interface Outcome {
  readonly tallies: ReadonlyMap<string, Tally>;
  readonly findings: readonly Finding[];
  /** New inputs worth keeping. */
  readonly essence: ReadonlyMap<string, readonly Uint8Array[]>;
  /** For each worker its heap in bytes after collections, in order. */
  readonly heaps: readonly (readonly number[])[];
}

/** Fuzzes in worker threads and watches them from outside, so that what never ends or ends its thread is found as well. */
export class Supervisor {
  readonly #options: FuzzOptions;
  readonly tallies = new Map<string, Tally>();
  readonly findings: Finding[] = [];
  /** What led on, for a worker that goes on where another has ended. */
  readonly #kept = new Map<string, Map<string, Uint8Array>>();
  readonly #essence = new Map<string, readonly Uint8Array[]>();
  readonly #heaps: number[][] = [];

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  async run(): Promise<Outcome> {
    const { targets, jobs } = this.#options;
    const shares = Array.from({ length: jobs }, (_, job) => targets.filter((_, at) => at % jobs === job));
    await Promise.all(shares.filter((share) => share.length > 0).map((share) => this.#work(share)));
    return { tallies: this.tallies, findings: this.findings, essence: this.#essence, heaps: this.#heaps };
  }

  /**
   * One worker after the other: each goes on with the targets that have not stopped the one before. Where a thread ends by what its last
   * input does not do alone, each target goes on in a thread of its own, so that only the one at fault stops.
   */
  async #work(share: readonly string[]): Promise<void> {
    let left = share;
    let stalls = 0;
    while (left.length > 0 && this.#options.signal?.aborted !== true) {
      const ended = await this.#workOnce(left);
      if (ended.kind === 'done') return;
      const finding =
        ended.kind === 'failed' ? await this.#confirm(ended.fault) : await this.#confirmStall(ended);
      if (finding === undefined) {
        // The machine was busy with something else. It may be so again, and not for ever.
        if (++stalls > mostStalls) throw new Error('runs stall, and none of them does so alone');
        continue;
      }
      this.#add(finding);
      if (!finding.reproduced && left.length > 1) return this.#workApart(left);
      left = left.filter((target) => target !== finding.target);
    }
  }

  /** Where they would go on for ever, all at the same time. */
  async #workApart(targets: readonly string[]): Promise<void> {
    if (this.#options.endless) await Promise.all(targets.map((target) => this.#work([target])));
    else for (const target of targets) await this.#work([target]);
  }

  async #workOnce(names: readonly string[]): Promise<Ended> {
    const { endless, corpus, signal } = this.#options;
    const heap: number[] = [];
    this.#heaps.push(heap);
    const before = new Map(this.tallies);
    const targets = names.map((name) => ({
      name,
      corpus: corpus(name),
      kept: [...(this.#kept.get(name)?.values() ?? [])],
    }));
    const confirming: Promise<void>[] = [];
    const ended = await this.#watch({ kind: 'campaigns', targets, endless }, signal, (said) => {
      if (said.kind === 'tally') this.tallies.set(said.target, sum(before.get(said.target), said.tally));
      else if (said.kind === 'kept') this.#remember(said.target, said.input);
      else if (said.kind === 'fault')
        confirming.push(this.#confirm(said.fault).then((finding) => this.#add(finding)));
      else if (said.kind === 'heap') heap.push(said.bytes);
      else if (said.kind === 'essence') this.#essence.set(said.target, said.inputs);
    });
    await Promise.all(confirming);
    return ended;
  }

  #remember(target: string, input: Uint8Array): void {
    const inputs = this.#kept.get(target) ?? new Map<string, Uint8Array>();
    this.#kept.set(target, inputs.set(nameOf(input), input));
  }

  /** Runs its input once more, alone. */
  async #confirm(fault: Fault): Promise<Finding> {
    const ended = await this.#replay(fault);
    return { ...fault, reproduced: ended.kind !== 'done' };
  }

  /** A run that took too long has to do so twice more, alone. */
  async #confirmStall(run: Pick<Fault, 'target' | 'input'>): Promise<Finding | undefined> {
    for (let time = 0; time < 2; time++) {
      const ended = await this.#replay(run);
      if (ended.kind === 'failed') return { ...ended.fault, reproduced: true };
      if (ended.kind === 'done') return undefined;
    }
    const { target, input } = run;
    return { target, kind: 'hang', detail: 'it takes too long, each time', input, reproduced: true };
  }

  #replay({ target, input }: Pick<Fault, 'target' | 'input'>): Promise<Ended> {
    return this.#watch({ kind: 'replay', target, input }, undefined, () => {});
  }

  async #watch(
    task: Work['task'],
    signal: AbortSignal | undefined,
    hear: (said: Said) => void,
  ): Promise<Ended> {
    const { module, seed, counted } = this.#options;
    const shared = new Shared();
    const work: Work = { module, counted, shared: shared.buffer, seed, task };
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: work,
      execArgv: ['--conditions=@postern/source', '--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 2_048 },
    });
    const stop = (): void => shared.stop();
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await endOf(worker, shared, hear);
    } finally {
      signal?.removeEventListener('abort', stop);
      await worker.terminate();
    }
  }

  #add(finding: Finding): void {
    this.findings.push(finding);
    this.#options.onFinding?.(finding);
  }
}

/** What a worker comes to. Rejects with what breaks it before its first run, which is no target's fault. */
function endOf(worker: Worker, shared: Shared, hear: (said: Said) => void): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const failed = (kind: Fault['kind'], detail: string): void => {
    const target = shared.lastTarget;
    if (target === undefined) reject(new Error(detail));
    else resolve({ kind: 'failed', fault: { target, kind, detail, input: shared.lastInput() } });
  };
  const look = async (): Promise<void> => {
    if (await isLate(worker, shared))
      resolve({ kind: 'stalled', target: shared.lastTarget ?? '', input: shared.lastInput() });
  };
  const timer = setInterval(() => void look(), watchMs);
  worker.on('message', (said: Said) => (said.kind === 'done' ? resolve({ kind: 'done' }) : hear(said)));
  worker.on('error', (fault) =>
    failed('crash', fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)),
  );
  // Nothing is left to wait for, and the run in hand has not come to its end.
  worker.on('exit', (code) => failed('hang', `its promise never settles (exit code ${code})`));
  return promise.finally(() => clearInterval(timer));
}

/** Whether the run in hand has used the processor for longer than it may, or has waited for far longer: another program may have it. */
async function isLate(worker: Worker, shared: Shared): Promise<boolean> {
  const { inHand: run } = shared;
  if (run === undefined || nowMs() - run.startedMs < run.mostMs) return false;
  if (nowMs() - run.startedMs > longestWait * run.mostMs) return true;
  const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
  const same = shared.inHand?.startedMs === run.startedMs;
  return same && (user + system) / 1_000 - run.usedMs > run.mostMs;
}

/** Times what a run may take. */
const longestWait = 10;

type Ended =
  | { readonly kind: 'done' }
  /** A run took too long. */
  | { readonly kind: 'stalled'; readonly target: string; readonly input: Uint8Array }
  /** The worker is gone. */
  | { readonly kind: 'failed'; readonly fault: Fault };

function sum(before: Tally | undefined, tally: Tally): Tally {
  if (before === undefined) return tally;
  return {
    ...tally,
    executions: before.executions + tally.executions,
    mutations: before.mutations + tally.mutations,
    slowestMs: Math.max(before.slowestMs, tally.slowestMs),
  };
}

const watchMs = 50;
const mostStalls = 5;
