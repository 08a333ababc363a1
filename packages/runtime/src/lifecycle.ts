import { ExitCode } from './errors.ts';
import { asFileError } from './file-errors.ts';

export interface Command {
  /** The program's name, in front of its messages. */
  readonly name: string;
  /** Shows the code of an error behind its message, for programs whose pages list them. */
  readonly codes?: boolean;
  /** Resolves to the exit code, or to nothing for 0. `stop` aborts at the first SIGTERM or SIGINT: drain and return. */
  main(stop: AbortSignal): Promise<number | undefined>;
}

/**
 * The edge of a process. Errors become `name: message` and a hint on standard error; an error's numeric `exitCode` is
 * the process's; what the file system refuses is told as that; any other error is a fault of the program (70) and shows its stack. The process ends by itself once
 * nothing is left to do. Whoever reads what it writes may stop: `--help | head`.
 */
export async function runCommand({ name, codes = false, main }: Command): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    stream.off('error', ignoreClosed).on('error', ignoreClosed);
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  process.once('SIGTERM', abort);
  process.once('SIGINT', abort);
  try {
    process.exitCode = (await main(stop.signal)) ?? ExitCode.ok;
  } catch (error) {
    process.exitCode = report(name, error, codes);
  } finally {
    process.off('SIGTERM', abort);
    process.off('SIGINT', abort);
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function report(name: string, thrown: unknown, codes: boolean): number {
  const error = asFileError(thrown) ?? thrown;
  const { code, exitCode, hint } = error as { code?: unknown; exitCode?: unknown; hint?: unknown };
  if (!(error instanceof Error) || typeof exitCode !== 'number') {
    const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${name}: internal fault\n${shown}\n`);
    return ExitCode.software;
  }
  const shown = codes && typeof code === 'string' ? ` [${code}]` : '';
  process.stderr.write(`${name}: ${error.message}${shown}\n`);
  if (typeof hint === 'string') process.stderr.write(`  ${hint.replaceAll('\n', '\n  ')}\n`);
  return exitCode;
}
