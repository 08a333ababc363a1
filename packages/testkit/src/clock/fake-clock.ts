import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '@postern/runtime';

interface Waiter {
  readonly atMs: number;
  readonly order: number;
  resolve(): void;
}

export interface FakeClockOptions {
  /** Milliseconds since 1970. */
  readonly startMs?: number;
  /** Lets what a wait has set off come to rest before the next wait ends. Default: a few turns of the event loop. */
  readonly settle?: () => Promise<void>;
}

/**
 * A clock that stands still until it is told to go on. Waits end in the order of their times, those for one time in the order
 * in which they began, and what each sets off has come to rest before the next one ends.
 */
export class FakeClock implements Clock {
  readonly #settle: () => Promise<void>;
  #now: number;
  #waiters: Waiter[] = [];
  #begun = 0;

  constructor({ startMs = Date.UTC(2032, 0, 15, 12), settle = fewTurns }: FakeClockOptions = {}) {
    this.#now = startMs;
    this.#settle = settle;
  }

  now(): number {
    return this.#now;
  }

  /** Resolves once the clock shows `untilMs`, at once if it does; rejects with an `AbortError` when `signal` aborts first. */
  wait(untilMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    if (untilMs <= this.#now) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(abortError(signal));
      };
      const waiter: Waiter = {
        atMs: untilMs,
        order: this.#begun++,
        resolve() {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** When the first of the waits under way ends; `undefined` when nobody waits. */
  get next(): number | undefined {
    return this.#first()?.atMs;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** Goes on to `untilMs`, and through every wait on the way, those included that begin meanwhile. */
  async advanceTo(untilMs: number): Promise<void> {
    await this.#settle();
    for (let first = this.#first(); first !== undefined && first.atMs <= untilMs; first = this.#first()) {
      this.#now = Math.max(this.#now, first.atMs);
      this.#waiters = this.#waiters.filter((other) => other !== first);
      first.resolve();
      await this.#settle();
    }
    this.#now = Math.max(this.#now, untilMs);
  }

  advanceBy(ms: number): Promise<void> {
    return this.advanceTo(this.#now + ms);
  }

  #first(): Waiter | undefined {
    let first: Waiter | undefined;
    for (const waiter of this.#waiters) {
      if (
        first === undefined ||
        waiter.atMs < first.atMs ||
        (waiter.atMs === first.atMs && waiter.order < first.order)
      )
        first = waiter;
    }
    return first;
  }
}

async function fewTurns(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await turn();
}

function abortError(signal: AbortSignal | undefined): Error {
  const error = new Error('The wait was aborted', { cause: signal?.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}
