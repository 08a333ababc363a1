import { commandLine, ExitCode } from '@postern/runtime';
import { CommanderError } from 'commander';
import { ClientError } from '../errors.ts';
import { type CommonOptions, createContext } from './context.ts';
import { addDomain } from './domain.ts';
import { addFlush } from './flush.ts';
import { addInit } from './init.ts';
import { addKeys } from './keys.ts';
import { addOpen } from './open.ts';
import { addOutbox } from './outbox.ts';
import { addRoute } from './route.ts';
import { addSend } from './send.ts';
import { type Terminal, write } from './terminal.ts';
import { visible, visibleJson } from './visible.ts';
import { addWrap } from './wrap.ts';

/**
 * Runs one command line and resolves to its exit code. Throws what the command throws, for the edge of the process to show; with
 * `--json` the error has then been printed as `{"error": {code, message, hint}}` too.
 */
export async function run(args: readonly string[], terminal: Terminal, stop: AbortSignal): Promise<number> {
  const context = createContext(terminal, stop);
  const program = commandLine('postern', 'Sends and opens mail that hides who writes to whom.')
    .option('--json', 'one JSON value on standard output')
    .option('--home <dir>', 'keep everything in one directory instead of the XDG directories')
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    });
  for (const add of [addInit, addKeys, addDomain, addRoute, addSend, addWrap, addFlush, addOutbox, addOpen]) {
    add(program, context);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (cause) {
    const error = endedBy(stop, cause);
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.ok;
    const usage = error instanceof CommanderError;
    // A command line that does not parse may not have come as far as --json.
    if (program.opts<CommonOptions>().json === true || (usage && args.includes('--json'))) {
      await write(
        terminal.stdout,
        `${asJson(usage ? { code: 'usage', message: error.message.replace(/^error: /, '') } : error)}\n`,
      );
    }
    if (usage) return ExitCode.usage;
    throw shownSafely(error);
  }
}

/** A command that lets the reason of `stop` through has been ended as it was asked to: that is no fault. */
function endedBy(stop: AbortSignal, cause: unknown): unknown {
  return stop.aborted && cause === stop.reason
    ? new ClientError('interrupted', 'interrupted', { cause })
    : cause;
}

/** The edge of the process shows messages and hints as they are; names of files and people are in them. */
function shownSafely(error: unknown): unknown {
  if (!(error instanceof Error) || !('exitCode' in error)) return error;
  error.message = visible(error.message, { lines: true });
  return error;
}

function asJson(error: unknown): string {
  const { code, message, hint } = error as { code?: unknown; message?: unknown; hint?: unknown };
  return visibleJson({ error: { code: code ?? 'fault', message: message ?? String(error), hint } });
}
