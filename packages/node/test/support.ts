import { hash } from 'node:crypto';
import type { Clock, Random } from '@postern/runtime';

/** Chance that repeats from a seed. */
export function seeded(seed: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const blocks: Uint8Array[] = [];
      for (let size = 0; size < length; size += 64)
        blocks.push(hash('sha512', `${seed}:${counter++}`, 'buffer'));
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}

/** A message of `length` octets in all, whose body is chance. */
export function message(random: Random, length: number): Uint8Array {
  const header = Buffer.from('Subject: chance\r\n\r\n');
  return new Uint8Array(Buffer.concat([header, random.bytes(length - header.length)]));
}

/** A clock that stands still until it is moved. */
export interface FakeClock extends Clock {
  /** Moves time on, waking on the way whoever waits, in the order of their times. */
  advance(ms: number): Promise<void>;
  /** Somebody sets the clock: what waits has waited as long as before. */
  set(nowMs: number): void;
  /** How many wait. */
  readonly waiting: number;
}

export function fakeClock(startMs: number): FakeClock {
  let now = startMs;
  let passed = 0;
  const waits = new Set<{ untilMs: number; endsAt: number; wake(): void }>();
  const leftOf = ({ untilMs, endsAt }: { untilMs: number; endsAt: number }): number =>
    Math.max(0, Math.min(untilMs - now, endsAt - passed));
  return {
    now: () => now,
    get waiting() {
      return waits.size;
    },
    wait(untilMs, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason as Error);
      if (untilMs <= now) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const stop = (): void => {
          waits.delete(entry);
          reject(signal?.reason as Error);
        };
        const entry = {
          untilMs,
          endsAt: passed + untilMs - now,
          wake(): void {
            signal?.removeEventListener('abort', stop);
            resolve();
          },
        };
        waits.add(entry);
        signal?.addEventListener('abort', stop, { once: true });
      });
    },
    async advance(ms) {
      const target = passed + ms;
      const go = (by: number): void => {
        now += by;
        passed += by;
      };
      for (;;) {
        const least = Math.min(...[...waits].map(leftOf));
        const next = [...waits].find((wait) => leftOf(wait) === least);
        if (next === undefined || passed + leftOf(next) > target) break;
        go(leftOf(next));
        waits.delete(next);
        next.wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
      go(target - passed);
    },
    set(nowMs) {
      now = nowMs;
    },
  };
}

/** Resolves once `condition` holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
