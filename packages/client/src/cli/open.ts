import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { maxSealedBytes, type Verdict } from '@postern/protocol/sealed';
import { ExitCode, makeDirectory } from '@postern/runtime';
import type { Command } from 'commander';
import type { Client, Opened } from '../client.ts';
import { collectMaildir, collectOne, type Found } from '../collect/collect.ts';
import { ClientError } from '../errors.ts';
import { type CommonOptions, type Context, openClient, print, warn } from './context.ts';
import { type PassphraseOptions, passphraseSource, withPassphrase } from './passphrase.ts';
import { reportText } from './report.ts';
import { write } from './terminal.ts';
import { visible } from './visible.ts';

interface OpenOptions extends CommonOptions, PassphraseOptions {
  readonly maildir?: string;
  readonly all?: boolean;
  readonly output?: string;
}

export function addOpen(program: Command, context: Context): void {
  withPassphrase(
    program
      .command('open')
      .argument('[file]', 'the mail as it was delivered; standard input for - or when it is left out')
      .description('Open a sealed message or a report of your gateway, or those of a Maildir.')
      .option('--maildir <dir>', 'open what is new in a Maildir; nothing in it is changed')
      .option('--all', 'with --maildir: what has been seen, too')
      .option('--output <dir>', 'write each message to a file of its own there, mode 0600'),
  ).action(async (file: string | undefined, _options, command: Command) =>
    openAll(file, command.optsWithGlobals(), context),
  );
}

async function openAll(file: string | undefined, options: OpenOptions, context: Context): Promise<void> {
  if (options.maildir !== undefined && file !== undefined)
    throw new ClientError('wrong-use', 'a file and --maildir do not go together');
  if (options.maildir === undefined && options.all === true)
    throw new ClientError('wrong-use', '--all goes with --maildir');
  await using client = openClient(context, options, passphraseSource(options, context.stop));
  if (options.output !== undefined) await makeDirectory(options.output);
  if (options.maildir === undefined) {
    const found = await collectOne(file ?? '-', context.terminal.stdin, maxSealedBytes);
    const shown = await openOne(client, found, options, context);
    await print(context, options, shown, '');
    return forgetShown(client, [shown]);
  }
  const all: Shown[] = [];
  for await (const found of collectMaildir(options.maildir, options.all === true)) {
    context.stop.throwIfAborted();
    all.push(await openOne(client, found, options, context));
  }
  await print(context, options, all, '');
  const printed = all.filter(({ kind }) => kind === 'opened').length;
  if (printed > 1 && options.json !== true && options.output === undefined) await warn(context, runTogether);
  await forgetShown(client, all);
}

const runTogether =
  'the messages stand one after the other on standard output, with nothing between them; for more than one use --output DIR or --json';

/** One mail as it is shown with `--json`. */
interface Shown {
  readonly name: string;
  readonly kind: Opened['kind'];
  readonly [key: string]: unknown;
}

/** Only now: a report that nobody has seen has to open again. */
async function forgetShown(client: Client, shown: readonly Shown[]): Promise<void> {
  for (const { kind, action, token } of shown)
    if (kind === 'report' && action === 'failed' && typeof token === 'string')
      await client.forgetReturn(token);
}

/** Opens one and shows it: the message on standard output or in a file, who signed on standard error. */
async function openOne(
  client: Client,
  { name, bytes }: Found,
  options: OpenOptions,
  context: Context,
): Promise<Shown> {
  const opened = await client.open(bytes);
  if (opened.kind === 'refused') {
    await warn(context, `${name} cannot be opened: ${refusals[opened.reason]}`);
    context.exitCode = ExitCode.dataError;
    return { name, ...opened };
  }
  if (opened.kind === 'report') {
    if (options.json !== true)
      await write(context.terminal.stdout, visible(reportText(opened), { lines: true }));
    return { name, ...opened };
  }
  if (!opened.vouched) context.exitCode ||= ExitCode.failure;
  await warn(context, `${name}: ${sentenceOf(opened)}`);
  if (opened.protection === 'none')
    await warn(
      context,
      `${name}: its subject and other headers stood outside the seal: anybody on the way could have changed them`,
    );
  const { from, verdict, vouched, protection, message } = opened;
  const shown: Shown = { name, kind: 'opened', from, vouched, verdict, protection };
  if (options.output !== undefined) {
    const path = await writeMessage(options.output, name, message);
    return { ...shown, file: path };
  }
  if (options.json === true) return { ...shown, messageBase64: Buffer.from(message).toString('base64') };
  await write(context.terminal.stdout, message);
  return shown;
}

type Refusal = Extract<Opened, { kind: 'refused' }>['reason'];

const refusals: Readonly<Record<Refusal, string>> = {
  nul: 'it is no e-mail message: there are zero bytes in it',
  'malformed-header': 'it is no e-mail message, or its header is damaged',
  'header-too-large': 'its header is longer than that of any e-mail message',
  'too-large': 'it is larger than any sealed message',
  'repeated-field': 'a header field is there twice that decides how it is read',
  'not-encrypted': 'it is not sealed: it is no PGP/MIME message',
  'malformed-parts': 'it says it is sealed, but its parts are not those of a PGP/MIME message',
  'malformed-armor': 'what is sealed in it is damaged on the way: it is no OpenPGP armor',
  'malformed-openpgp': 'what is sealed in it is damaged: it is no OpenPGP message',
  'too-many-keys': 'it is sealed to more keys than anybody uses',
  'no-integrity': 'it is encrypted without protection against changes',
  'unknown-encryption': 'it is encrypted in a way that is not read here',
  'no-key': 'it is sealed to keys that are not here',
  damaged: 'it was changed on the way: its integrity check fails',
  'malformed-content': 'what was sealed in it is put together in a way that is not read here',
  'malformed-compression': 'what was sealed in it is compressed in a way that is not read here, or damaged',
  'unknown-report':
    'it is a report about a message that was not sent from here, one that was told and forgotten, or a forged one',
  'damaged-report': 'it is a report about a message of yours, but what is sealed in it is damaged or forged',
};

/** Under the name that it had, and another when that is taken: nothing is overwritten. */
async function writeMessage(directory: string, name: string, message: Uint8Array): Promise<string> {
  const stem = name === 'standard input' ? 'message' : basename(name).replace(/\.eml$/, '');
  for (let attempt = 0; ; attempt++) {
    const path = join(directory, attempt === 0 ? `${stem}.eml` : `${stem}.${attempt}.eml`);
    try {
      await writeFile(path, message, { mode: 0o600, flag: 'wx' });
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function sentenceOf({ from, verdict, vouched, protection }: Extract<Opened, { kind: 'opened' }>): string {
  if (verdict.kind === 'good' && vouched)
    return `signed by ${from} on ${verdict.signedAt.toISOString()} with ${verdict.fingerprint}`;
  if (verdict.kind === 'good' && protection === 'none')
    return `WARNING: the body is signed with ${verdict.fingerprint}, but From and Subject are not: anybody on the way could have put them there`;
  return `WARNING: ${doubts(verdict, from)}`;
}

function doubts(verdict: Verdict, from: string | undefined): string {
  const claimed = from ?? 'no one that can be made out';
  switch (verdict.kind) {
    case 'good':
      return `it says it is from ${claimed}, but ${verdict.userIds.join(', ')} signed it with ${verdict.fingerprint}, which is not the key pinned for ${claimed}`;
    case 'bad':
      return `the signature is BAD: it is not as it was signed, or not from ${claimed}`;
    case 'unknown-key':
      return `it says it is from ${claimed}, and is signed with a key that is not here (${verdict.keyId}): postern keys import FILE, if you have theirs`;
    case 'unsigned':
      return `it says it is from ${claimed}, and nobody signed it`;
  }
}
