import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { majority } from '@postern/directory/client';
import { makeDirectory } from '@postern/runtime';
import type { Command } from 'commander';
import { formatClientConfig, parseClientConfig } from '../config.ts';
import { ClientError } from '../errors.ts';
import { type CommonOptions, type Context, pathsOf, print } from './context.ts';

interface InitOptions extends CommonOptions {
  readonly mailbox: string;
  readonly directoryUrl: string[];
  readonly authority: string[];
  readonly threshold?: number;
}

export function addInit(program: Command, context: Context): void {
  program
    .command('init')
    .description('write a configuration')
    .requiredOption('--mailbox <mailbox>', 'your mailbox')
    .requiredOption('--directory-url <url...>', 'where a consensus is fetched; one or more')
    .requiredOption('--authority <key...>', 'key of an authority that you trust; one or more')
    .option('--threshold <n>', 'how many authorities must have signed (default: more than half)', Number)
    .action(async (_options, command: Command) => init(command.optsWithGlobals(), context));
}

async function init(options: InitOptions, context: Context): Promise<void> {
  const { mailbox, directoryUrl: urls, authority: authorities } = options;
  const threshold = options.threshold ?? majority(authorities);
  parseClientConfig({ mailbox, directory: { urls, authorities, threshold } }, 'the command line');
  const { configFile } = pathsOf(context, options);
  await makeDirectory(dirname(configFile));
  await writeNew(configFile, formatClientConfig({ mailbox, urls, authorities, threshold }));
  await print(context, options, { config: configFile }, `Wrote ${configFile}.`);
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
    throw new ClientError('exists', `there is a configuration already: ${path}`, {
      cause,
      hint: 'Edit it, or move it away first.',
    });
  });
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
