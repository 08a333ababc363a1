import { setTimeout as pause } from 'node:timers/promises';
import { backoff, type Pause } from '../../backoff.ts';
import { createBell } from '../../bell.ts';

/** Makes good what has failed of jobs, soon and again until it has worked: nobody waits for it. */
export interface Amends {
  /** Something has failed. */
  readonly ask: () => void;
  /** Stops trying, and resolves once nothing is under way. */
  stop(): Promise<void>;
}

const tryAgain: Pause = { firstMs: 250, mostMs: 5_000 };

/** `amend` makes all good that failed before it began; it rejects when that cannot be done now. */
export function createAmends(amend: () => Promise<void>): Amends {
  const stopped = new AbortController();
  const { signal } = stopped;
  const asked = createBell();

  const run = async (): Promise<never> => {
    for (let failures = 0; ; ) {
      await asked.wait(signal);
      await pause(backoff(failures, tryAgain), undefined, { signal });
      try {
        await amend();
        failures = 0;
      } catch {
        failures += 1;
        asked.ring();
      }
    }
  };
  const running = run().catch(() => undefined);
  return {
    ask: asked.ring,
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
