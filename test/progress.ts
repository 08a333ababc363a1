import { setTimeout as pause } from 'node:timers/promises';

/** Aborts `signal` once a count has stood still for too long; stops looking when disposed. */
export interface ProgressWatch extends Disposable {
  readonly signal: AbortSignal;
}

const lookEveryMs = 1_000;

/** How slow a machine is, it moves on: whoever waits gives up only when nothing does. */
export function watchProgress(count: () => Promise<number> | number, standstillMs: number): ProgressWatch {
  const still = new AbortController();
  const over = new AbortController();
  const watch = async (): Promise<void> => {
    let last = -1;
    let since = performance.now();
    while (performance.now() - since < standstillMs) {
      const now = await count();
      if (now !== last) since = performance.now();
      last = now;
      await pause(lookEveryMs, undefined, { signal: over.signal });
    }
    still.abort(new Error(`nothing has moved for ${standstillMs / 1_000} s`));
  };
  watch().catch((error: unknown) => {
    if (!over.signal.aborted) still.abort(error);
  });
  return { signal: still.signal, [Symbol.dispose]: () => over.abort() };
}
