/** Wakes one waiter. A ring that nobody waits for is kept, so none is missed between looking and waiting. */
export interface Bell {
  ring(): void;
  /** Resolves at the next ring, or at once when there was one since the last wait; rejects as `signal` aborts. */
  wait(signal: AbortSignal): Promise<void>;
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
          if (signal.aborted) return reject(signal.reason as Error);
          rung = false;
          resolve();
        };
        if (rung || signal.aborted) return settle();
        waiting = settle;
        signal.addEventListener('abort', settle, { once: true });
      }),
  };
}
