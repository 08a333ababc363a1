import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Arrival } from './sink.ts';
import type { Load, Sent } from './source.ts';

/** What a worker process is asked. Each question has a number, which its answer bears. */
export type Question =
  | { readonly ask: 'listen'; readonly key: string; readonly cert: string; readonly port: number }
  | { readonly ask: 'arrived'; readonly count: number; readonly keep: Keep }
  | { readonly ask: 'taken' | 'missing' }
  | ({ readonly ask: 'send' } & Load);

/** What came of a question. */
export interface Answer {
  readonly number: number;
  readonly error?: string;
  readonly answer?: unknown;
}

/** What the sink keeps of what arrives besides digests of the bodies, by which it tells different ones: the first of each. */
export type Keep = 'nothing' | 'messages';

/** What came at the sink. */
export interface Arrived {
  /** Messages, with copies of the same one, which were not waited for. */
  readonly count: number;
  /** When the last different one was there. */
  readonly lastMs: number;
  readonly kept: readonly Arrival[];
}

/** Both ends of a hop, in a process each. */
export interface Ends extends AsyncDisposable {
  readonly pids: readonly number[];
  /** Starts the next hop, on any free port unless told which; resolves to its port. */
  listen(tls: { readonly key: string; readonly cert: string }, port?: number): Promise<number>;
  send(load: Load): Promise<Sent>;
  /** To be called before they are sent: resolves once so many different messages have arrived. */
  arrived(count: number, keep?: Keep): Promise<Arrived>;
  /** Different messages that are waited for, and have not arrived. */
  missing(): Promise<number>;
  /** Messages that the sink has taken so far, copies among them. */
  taken(): Promise<number>;
}

export async function startEnds(): Promise<Ends> {
  await using opened = new AsyncDisposableStack();
  const source = opened.adopt(await startProcess(), ({ stop }) => stop());
  const sink = opened.adopt(await startProcess(), ({ stop }) => stop());
  const running = opened.move();
  return {
    pids: [source.pid, sink.pid],
    listen: (tls, port = 0) => sink.ask({ ask: 'listen', ...tls, port }),
    send: (load) => source.ask({ ask: 'send', ...load }),
    missing: () => sink.ask({ ask: 'missing' }),
    taken: () => sink.ask({ ask: 'taken' }),
    arrived: (count, keep = 'nothing') => sink.ask({ ask: 'arrived', count, keep }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function startProcess() {
  const child: ChildProcess = fork(fileURLToPath(new URL('./end.ts', import.meta.url)), {
    serialization: 'advanced',
  });
  await once(child, 'spawn');
  const asked = new Map<number, PromiseWithResolvers<unknown>>();
  child.on('message', ({ number, error, answer }: Answer) => {
    if (error === undefined) asked.get(number)?.resolve(answer);
    else asked.get(number)?.reject(new Error(error));
    asked.delete(number);
  });
  let count = 0;
  return {
    pid: child.pid as number,
    ask<T>(question: Question): Promise<T> {
      const answer = Promise.withResolvers<unknown>();
      asked.set(count, answer);
      child.send({ number: count++, question });
      return answer.promise as Promise<T>;
    },
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
