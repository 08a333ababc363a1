const cleanups = new Set<() => void>();

/** Has `cleanup` run when a signal ends the benchmark, unless it is disposed of before: `await using` knows nothing of signals. */
export function ifInterrupted(cleanup: () => void): Disposable {
  cleanups.add(cleanup);
  return { [Symbol.dispose]: () => void cleanups.delete(cleanup) };
}

/** To be called once: SIGINT and SIGTERM clean up, the newest first, and end the process. */
export function endOnSignals(): void {
  const codes = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const [signal, code] of Object.entries(codes))
    process.once(signal, () => {
      for (const cleanup of [...cleanups].reverse()) {
        try {
          cleanup();
        } catch {
          // It had ended by itself.
        }
      }
      process.exit(code);
    });
}
