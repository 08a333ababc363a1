import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cleanups = new Set<() => void>();

/** Has `cleanup` run when a signal ends the benchmark, unless it is disposed of before: `await using` knows nothing of signals. */
export function ifInterrupted(cleanup: () => void): Disposable {
  cleanups.add(cleanup);
  return { [Symbol.dispose]: () => void cleanups.delete(cleanup) };
}

/** A folder of the benchmark's own, which goes with `opened`, or when a signal ends it. */
export async function temporaryFolder(opened: AsyncDisposableStack, prefix: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  opened.defer(() => rm(folder, { recursive: true }));
  opened.use(ifInterrupted(() => rmSync(folder, { recursive: true, force: true })));
  return folder;
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
