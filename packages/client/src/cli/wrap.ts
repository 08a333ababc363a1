import { maxMessageBytes } from '@postern/protocol/sealed';
import type { Command } from 'commander';
import { collectOne } from '../collect/collect.ts';
import type { WrapOutcome } from '../requests.ts';
import { type Context, openClient, print, warn } from './context.ts';
import { passphraseSource } from './passphrase.ts';
import { progressLine } from './progress.ts';
import { lineOf, type MessageOptions, prepareOptions, refuse, withMessageOptions } from './send.ts';

interface WrapOptions extends MessageOptions {
  readonly output: string;
}

export function addWrap(program: Command, context: Context): void {
  withMessageOptions(
    program
      .command('wrap')
      .argument('[file]', 'the message; standard input for - or when it is left out')
      .description(
        'Write what send would hand over into files, for another program to hand over to the gateway of your own domain.',
      )
      .requiredOption(
        '--output <dir>',
        'where: yours, and nobody else may write there; the message gets a directory of its own in it, mode 0700',
      ),
  ).action(async (file: string | undefined, _options, command: Command) =>
    wrap(file ?? '-', command.optsWithGlobals(), context),
  );
}

async function wrap(file: string, options: WrapOptions, context: Context): Promise<void> {
  await using client = openClient(context, options, passphraseSource(options, context.stop));
  const { bytes } = await collectOne(file, context.terminal.stdin, maxMessageBytes);
  const line = progressLine(context.terminal);
  const outcome = await client
    .wrap(bytes, {
      ...prepareOptions(options),
      directory: options.output,
      signal: context.stop,
      onProgress: line.report,
    })
    .finally(line.end);
  if (outcome.kind === 'refused') return refuse(outcome.problems, options, context);
  const { kind: _kind, ...value } = outcome;
  await print(context, options, value, textOf(outcome));
  for (const warning of outcome.warnings) await warn(context, warning);
}

function textOf({ messageId, recipients, files }: Extract<WrapOutcome, { kind: 'wrapped' }>): string {
  const listed = files.map(({ file, from, to }) => `${file}: from ${from} to ${to}`);
  const until = new Date(Math.min(...files.map(({ expires }) => expires)) * 1000).toISOString();
  return [
    messageId,
    ...recipients.map(lineOf),
    ...listed,
    `Hand them over before ${until}, to the gateway of your own domain and to no other server.`,
  ].join('\n');
}
