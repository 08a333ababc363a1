import { Worker } from 'node:worker_threads';
import { NodeError } from './errors.ts';

export interface PoolOptions<Setup> {
  /** The module that each thread runs: it answers with `answerIn`. */
  readonly module: URL;
  readonly size: number;
  /** Sent to every thread when it starts. */
  readonly setup: Setup;
}

/** Threads that do one kind of work, off the event loop. */
export interface Pool<Setup, Task, Answer> {
  /** Rejects with `worker-died` when the thread that had the task ends; another one takes its place. */
  run(task: Task): Promise<Answer>;
  /** Replaces what every thread, and every one started later, is set up with, before any task asked for from now on. */
  setUp(setup: Setup): void;
  close(): Promise<void>;
}

interface Thread<Answer> {
  readonly worker: Worker;
  /** Tasks in the order in which they were asked for: a thread answers in that order. */
  readonly pending: PromiseWithResolvers<Answer>[];
}

export function createPool<Setup, Task, Answer>(options: PoolOptions<Setup>): Pool<Setup, Task, Answer> {
  let { setup } = options;
  let closing = false;
  let threads = Array.from({ length: options.size }, () => start());

  function start(): Thread<Answer> {
    const source = options.module.pathname.endsWith('.ts');
    const worker = new Worker(options.module, {
      execArgv: source ? ['--conditions=@postern/source'] : [],
    });
    const thread: Thread<Answer> = { worker, pending: [] };
    worker.postMessage({ setup });
    worker.on('message', (answer: Answer) => thread.pending.shift()?.resolve(answer));
    let cause: unknown;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => {
      for (const asked of thread.pending)
        asked.reject(
          new NodeError('worker-died', 'a worker thread ended in the middle of its work', { cause }),
        );
      if (!closing) threads = threads.map((other) => (other === thread ? start() : other));
    });
    return thread;
  }

  return {
    run(task) {
      const thread = threads.reduce((least, other) =>
        other.pending.length < least.pending.length ? other : least,
      );
      const answer = Promise.withResolvers<Answer>();
      thread.pending.push(answer);
      thread.worker.postMessage({ task });
      return answer.promise;
    },
    setUp(next) {
      setup = next;
      for (const { worker } of threads) worker.postMessage({ setup });
    },
    async close() {
      closing = true;
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
