import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { majority } from '@postern/directory/client';
import { ConfigError, makeDirectory } from '@postern/runtime';
import type { Command } from 'commander';
import { formatClientConfig, parseClientConfig } from '../config.ts';
import { ClientError } from '../errors.ts';
import { type CommonOptions, type Context, pathsOf, print } from './context.ts';

interface InitOptions extends CommonOptions {
  readonly mailbox: string;
  readonly directoryUrl: string[];
  readonly authority: string[];
  readonly threshold?: number;
  readonly submission?: string;
  readonly submissionKind?: string;
  readonly submissionTls?: string;
  readonly submissionUser?: string;
  readonly submissionName?: string;
  readonly submissionPin?: string;
  readonly passwordFile?: string;
}

export function addInit(program: Command, context: Context): void {
  program
    .command('init')
    .description('Write a configuration.')
    .requiredOption('--mailbox <mailbox>', 'your mailbox')
    .requiredOption('--directory-url <url...>', 'where a consensus is fetched; one or more')
    .requiredOption('--authority <key...>', 'key of an authority that you trust; one or more')
    .option('--threshold <n>', 'how many authorities must have signed (default: more than half)', Number)
    .option(
      '--submission <host:port>',
      'your own domain’s gateway or your provider’s server, which takes all that you send',
    )
    .option('--submission-kind <kind>', 'gateway, or account for a provider that knows nothing of Postern')
    .option('--submission-tls <way>', 'starttls or implicit (default: implicit on port 465, else starttls)')
    .option('--submission-user <name>', 'what you log in by there (default: your mailbox)')
    .option('--submission-name <domain>', 'name that its certificate is for (default: that of --submission)')
    .option('--submission-pin <hash>', 'SHA-256 of its public key, in place of a certificate for its name')
    .option(
      '--password-file <path>',
      'file whose first line is the password there (default: it is asked for)',
    )
    .action(async (_options, command: Command) => init(command.optsWithGlobals(), context));
}

async function init(options: InitOptions, context: Context): Promise<void> {
  const { mailbox, directoryUrl: urls, authority: authorities } = options;
  const threshold = options.threshold ?? majority(authorities);
  const submission = submissionOf(options);
  const fields = { mailbox, directory: { urls, authorities, threshold }, ...(submission && { submission }) };
  requireHolding(fields);
  const { configFile } = pathsOf(context, options);
  await makeDirectory(dirname(configFile));
  await writeNew(configFile, formatClientConfig({ mailbox, urls, authorities, threshold, submission }));
  await print(context, options, { config: configFile }, `Wrote ${configFile}.`);
}

/** Throws `wrong-use` with every mistake: they are of the command line, and nothing is written. */
function requireHolding(fields: object): void {
  try {
    parseClientConfig(fields, 'the command line');
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new ClientError('wrong-use', cause.message, { cause });
  }
}

/** `[submission]` as it stands in the file, if any of it is asked for. */
function submissionOf(options: InitOptions): Record<string, string> | undefined {
  const { submission: server, submissionTls: tls, submissionUser: user, submissionName: name } = options;
  const kind = options.submissionKind;
  const given = {
    kind,
    server,
    tls,
    user,
    name,
    pin: options.submissionPin,
    password_file: options.passwordFile,
  };
  const set = Object.entries(given).filter((field): field is [string, string] => field[1] !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
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
