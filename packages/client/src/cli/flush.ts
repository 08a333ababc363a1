import type { Command } from 'commander';
import { milliseconds } from './constraints.ts';
import { type CommonOptions, type Context, openClient, print } from './context.ts';
import { progressLine } from './progress.ts';
import { explainPending, toServer } from './submission.ts';

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
  const { submission: server } = await client.config();
  const line = progressLine(context.terminal, server);
  const submission = await client
    .flush({ timeoutMs: options.timeout, signal: context.stop, onProgress: line.report })
    .finally(line.end);
  const { submitted, pending } = submission;
  const text =
    submitted + pending === 0
      ? 'The outbox is empty.'
      : `${submitted} of ${submitted + pending} handed over${toServer(server)}`;
  await print(context, options, submission, text);
  context.exitCode = await explainPending(context, submission, server);
}
