/** Wakes one waiter. A ring that nobody waits for is kept, so none is missed between looking and waiting. */
export interface Bell {
  readonly ring: () => void;
  /** Resolves at the next ring, or at once when there was one since the last wait; rejects as `signal` aborts. */
  readonly wait: (signal: AbortSignal) => Promise<void>;
}

export function createBell(): Bell {
  let rung = false;
  let waiting: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      waiting?.();
    },
    wait: (signal) =>
      new Promise((resolve, reject) => {
        const settle = (): void => {
          waiting = undefined;
          signal.removeEventListener('abort', settle);
          if (signal.aborted) {
            reject(signal.reason as Error);
            return;
          }
          rung = false;
          resolve();
        };
        if (rung || signal.aborted) settle();
        else {
          waiting = settle;
          signal.addEventListener('abort', settle, { once: true });
        }
      }),
  };
}
