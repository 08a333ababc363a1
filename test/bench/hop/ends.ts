import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Arrival } from './sink.ts';
import type { Load, Sent } from './source.ts';

/** What a worker process is asked, with the number that its answer bears. */
export type Question =
  | { readonly ask: 'listen'; readonly key: string; readonly cert: string }
  | { readonly ask: 'arrived'; readonly count: number; readonly keep: boolean }
  | ({ readonly ask: 'send' } & Load);

/** What came at the sink. */
export interface Arrived {
  /** When the last of them was there. */
  readonly lastMs: number;
  readonly kept: readonly Arrival[];
}

/** Both ends of a hop, in a process each. */
export interface Ends extends AsyncDisposable {
  /** Starts the next hop; resolves to its port. */
  listen(tls: { readonly key: string; readonly cert: string }): Promise<number>;
  send(load: Load): Promise<Sent>;
  /** To be called before they are sent: resolves once so many messages have arrived. They are kept if told so. */
  arrived(count: number, keep: boolean): Promise<Arrived>;
}

export async function startEnds(): Promise<Ends> {
  const [source, sink] = await Promise.all([startProcess(), startProcess()]);
  return {
    listen: (tls) => sink.ask({ ask: 'listen', ...tls }),
    send: (load) => source.ask({ ask: 'send', ...load }),
    arrived: (count, keep) => sink.ask({ ask: 'arrived', count, keep }),
    async [Symbol.asyncDispose]() {
      await Promise.all([source.stop(), sink.stop()]);
    },
  };
}

async function startProcess() {
  const child: ChildProcess = fork(fileURLToPath(new URL('./end.ts', import.meta.url)), {
    serialization: 'advanced',
  });
  await once(child, 'spawn');
  return {
    async ask<T>(question: Question): Promise<T> {
      const answered = once(child, 'message');
      child.send(question);
      const [{ error, answer }] = (await answered) as [{ error?: string; answer: T }];
      if (error !== undefined) throw new Error(error);
      return answer;
    },
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
