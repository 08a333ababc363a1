import type { Command } from 'commander';
import { milliseconds } from './constraints.ts';
import { type CommonOptions, type Context, openClient, print } from './context.ts';
import { progressLine } from './progress.ts';
import { explainPending } from './submission.ts';
import { count } from './table.ts';

interface FlushOptions extends CommonOptions {
  readonly timeout?: number;
}

export function addFlush(program: Command, context: Context): void {
  program
    .command('flush')
    .description('Hand over what waits in the outbox.')
    .option('--timeout <duration>', 'how long to try (default: as configured, 5m)', milliseconds)
    .action(async (_options, command: Command) => flush(command.optsWithGlobals(), context));
}

async function flush(options: FlushOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const line = progressLine(context.terminal);
  const submission = await client
    .flush({ timeoutMs: options.timeout, signal: context.stop, onProgress: line.report })
    .finally(line.end);
  const { submitted, pending } = submission;
  const text =
    submitted + pending === 0
      ? 'The outbox is empty.'
      : `${submitted} of ${count(submitted + pending, 'packet')} handed over`;
  await print(context, options, submission, text);
  context.exitCode = await explainPending(context, submission);
}
