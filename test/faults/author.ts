import { setTimeout as pause } from 'node:timers/promises';
import { until } from '@postern/testkit';
import { watchProgress } from '../progress.ts';
import { type Cascade, width } from './cascade.ts';
import { standstillMs } from './judge.ts';

/** Writes notes one after the other, each again until it is taken. */
export interface Author extends Disposable {
  /** Hands notes over as long as fewer than so many are on their way. */
  keep(count: number): void;
  /** Hands so many more over. */
  want(count: number): void;
  /** Resolves once the condition holds. Rejects when it does not for long, and when the author can write no more. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Resolves once so many more notes have arrived. */
  progress(count?: number): Promise<void>;
  /** Hands each note over by a connection of its own until `work` is done. */
  connectAnew<T>(work: () => Promise<T>): Promise<T>;
  /** Hands over what is wanted by now. Resolves to how many notes were handed over in all. */
  end(): Promise<number>;
}

const lookEveryMs = 50;

/** Writes until `ended` aborts, or nothing has been taken and nothing has arrived for long. */
export function startAuthor(cascade: Cascade, ended: AbortSignal): Author {
  const watch = watchProgress(async () => cascade.taken + (await cascade.arrived()), standstillMs);
  const signal = AbortSignal.any([ended, watch.signal]);
  const over = new AbortController();
  let kept = 0;
  let wanted = 0;
  let next = 0;
  let anew = false;
  const { arrived } = cascade;
  const writing = async (): Promise<void> => {
    for (;;) {
      if (kept > 0) wanted = Math.max(wanted, (await arrived()) + kept);
      if (next < wanted) {
        await cascade.handOver(await cascade.pack(next++), { signal, anew });
        continue;
      }
      if (over.signal.aborted) return;
      await pause(lookEveryMs, undefined, { signal });
    }
  };
  const written = Promise.all(Array.from({ length: width }, writing));
  written.catch(() => undefined); // whoever waits for something is told
  const wait: Author['until'] = async (what, condition) => {
    const waited = new AbortController();
    const either = AbortSignal.any([signal, waited.signal]);
    const seen = until(condition, { what, signal: either, deadlineMs: standstillMs });
    await Promise.race([seen, written.then(() => seen)]).finally(() => waited.abort());
  };
  return {
    keep(count) {
      kept = count;
      if (count === 0) wanted = next;
    },
    want(count) {
      wanted = Math.max(wanted, next) + count;
    },
    until: wait,
    async progress(count = 1) {
      const before = await arrived();
      await wait(`${count} more notes have arrived`, async () => (await arrived()) >= before + count);
    },
    async connectAnew(work) {
      anew = true;
      try {
        return await work();
      } finally {
        anew = false;
      }
    },
    async end() {
      kept = 0;
      wanted = next;
      over.abort();
      await written;
      watch[Symbol.dispose]();
      return next;
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}
