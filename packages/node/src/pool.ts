import { Worker } from 'node:worker_threads';
import type { Clock, Log, Random } from '@postern/runtime';
import { NodeError } from './errors.ts';
import { handedOver } from './handed-over.ts';
import { codeOf, createSetback } from './loop.ts';

export interface PoolOptions<Setup> {
  /** The module that each thread runs: it answers with `answerIn`. */
  readonly module: URL;
  readonly size: number;
  /** Sent to every thread when it starts. */
  readonly setup: Setup;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told once, when threads do nothing but die: the pool starts no more of them. */
  readonly onBroken: (error: NodeError) => void;
}

/** Threads that do one kind of work, off the event loop. */
export interface Pool<Setup, Task, Answer> {
  /**
   * Rejects with `worker-died` when the thread that had the task ends, and at once while no thread runs. Another one takes its place
   * after a pause. `owned` belongs to the thread from then on.
   */
  run(task: Task, owned?: readonly Uint8Array[]): Promise<Answer>;
  /** Replaces what every thread, and every one started later, is set up with, before any task asked for from now on. */
  setUp(setup: Setup): void;
  close(): Promise<void>;
}

/** Deaths in a row, for each thread of the pool, with no answer from any: a thread that starts anew does not mend it. */
const mostDeaths = 5;

export function createPool<Setup, Task, Answer>(options: PoolOptions<Setup>): Pool<Setup, Task, Answer> {
  const { module, size, clock, random, log, onBroken } = options;
  let { setup } = options;
  const ending = new AbortController();
  const { signal } = ending;
  const threads = new Set<Thread<Answer>>();
  let deaths = 0;

  /** Resolves to why the thread died. */
  const live = async (onAnswer: () => void): Promise<unknown> => {
    try {
      const onEnd = (): void => void threads.delete(thread);
      const thread = startThread<Answer>(module, onAnswer, onEnd);
      threads.add(thread);
      thread.worker.postMessage({ setup });
      return await thread.death;
    } catch (error) {
      return error; // the system had no thread to give
    }
  };

  /** One place in the pool: a thread, and after its death another. */
  const keep = async (): Promise<void> => {
    const setback = createSetback({ clock, log, random, trouble: 'a worker thread died' });
    const onAnswer = (): void => {
      deaths = 0;
      setback.worked();
    };
    while (!signal.aborted) {
      const cause = await live(onAnswer);
      if (signal.aborted) return;
      deaths += 1;
      if (deaths >= mostDeaths * size) {
        ending.abort();
        onBroken(broken(deaths, cause));
        return;
      }
      setback.failed(cause);
      await setback.pause(signal).catch(() => undefined);
    }
  };

  const kept = Array.from({ length: size }, keep);
  return {
    async run(task, owned = []) {
      const thread = [...threads].sort((a, b) => a.pending.length - b.pending.length)[0];
      if (signal.aborted || thread === undefined) throw new NodeError('worker-died', 'no worker thread runs');
      const answer = Promise.withResolvers<Answer>();
      thread.worker.postMessage({ task }, handedOver(owned));
      thread.pending.push(answer);
      return answer.promise;
    },
    setUp(next) {
      setup = next;
      for (const { worker } of threads) worker.postMessage({ setup });
    },
    async close() {
      ending.abort();
      await Promise.all([...threads].map(({ worker }) => worker.terminate()));
      await Promise.all(kept);
    },
  };
}

interface Thread<Answer> {
  readonly worker: Worker;
  /** Tasks in the order in which they were asked for: a thread answers in that order. */
  readonly pending: PromiseWithResolvers<Answer>[];
  /** Resolves once the thread has ended, to why. */
  readonly death: Promise<unknown>;
}

/** `onEnd` is called before the tasks of the thread are rejected: whoever is told and asks again asks another. */
function startThread<Answer>(module: URL, onAnswer: () => void, onEnd: () => void): Thread<Answer> {
  const source = module.pathname.endsWith('.ts');
  const worker = new Worker(module, { execArgv: source ? ['--conditions=@postern/source'] : [] });
  const pending: PromiseWithResolvers<Answer>[] = [];
  worker.on('message', (answer: Answer) => {
    onAnswer();
    pending.shift()?.resolve(answer);
  });
  let cause: unknown;
  worker.on('error', (error) => {
    cause = error;
  });
  const death = new Promise<unknown>((resolve) => {
    worker.on('exit', () => {
      onEnd();
      const error = new NodeError('worker-died', 'a worker thread ended in the middle of its work', {
        cause,
      });
      for (const asked of pending) asked.reject(error);
      resolve(cause ?? error);
    });
  });
  return { worker, pending, death };
}

function broken(deaths: number, cause: unknown): NodeError {
  const message = `worker threads died ${deaths} times in a row without an answer (${codeOf(cause)})`;
  const hint =
    'ERR_WORKER_OUT_OF_MEMORY: give the node more memory, or lower mix.peel_workers. Nothing taken is lost: it waits in the spool.';
  return new NodeError('worker-died', message, { cause, hint });
}
