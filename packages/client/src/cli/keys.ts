import type { Command } from 'commander';
import { collectOne } from '../collect/collect.ts';
import type { KeyInfo } from '../keys/index.ts';
import { type CommonOptions, type Context, openClient, print } from './context.ts';
import { addKeysFind } from './keys-find.ts';
import { chooseProtection, type PassphraseOptions, withPassphrase } from './passphrase.ts';
import { repeated } from './repeated.ts';
import { sourceText } from './send.ts';
import { table } from './table.ts';

/** A keyring of hundreds of people. */
const maxKeyFileBytes = 16_000_000;

interface KeyOptions extends CommonOptions, PassphraseOptions {
  readonly passphrase?: boolean;
  readonly replace?: boolean;
  readonly mailbox?: string[];
  readonly secret?: boolean;
}

export function addKeys(program: Command, context: Context): void {
  const keys = program
    .command('keys')
    .description('Your OpenPGP keys, and the certificates of those you write to.');

  withPassphrase(
    keys
      .command('generate')
      .argument('[mailbox]', 'yours (default: the configured one)')
      .description('Make a key for a mailbox of yours.')
      .option('--no-passphrase', 'protect it by its file’s mode alone, 0600')
      .option('--replace', 'take the place of the key that is there; the old one still opens old messages'),
  ).action(async (mailbox: string | undefined, _options, command: Command) =>
    generate(mailbox, command.optsWithGlobals(), context),
  );

  withPassphrase(
    keys
      .command('import')
      .argument('[file]', 'armored or binary; standard input for - or when it is left out')
      .description('Take others’ certificates, or secret keys of yours.')
      .option('--mailbox <mailbox>', 'pin for this mailbox only; may be repeated', repeated)
      .option('--no-passphrase', 'keep a secret key that has no passphrase as it is, in a file of mode 0600')
      .option('--replace', 'take it although another key is pinned for the mailbox'),
  ).action(async (file: string | undefined, _options, command: Command) =>
    importFile(file ?? '-', command.optsWithGlobals(), context),
  );

  keys
    .command('export')
    .argument('<name>', 'mailbox or fingerprint')
    .description('Print the certificate of a mailbox or fingerprint, armored.')
    .option('--secret', 'print your secret key instead, under the passphrase that it has on disk')
    .action(async (name: string, _options, command: Command) =>
      exportKey(name, command.optsWithGlobals(), context),
    );

  keys
    .command('list')
    .description('Show your keys, and the certificates that are pinned.')
    .action(async (_options, command: Command) => list(command.optsWithGlobals(), context));

  keys
    .command('remove')
    .argument('<name>', 'mailbox or fingerprint')
    .description('Remove a certificate by its mailbox, or a secret key by its fingerprint.')
    .action(async (name: string, _options, command: Command) =>
      remove(name, command.optsWithGlobals(), context),
    );

  addKeysFind(keys, context);
}

async function generate(mailbox: string | undefined, options: KeyOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const name = mailbox ?? (await client.config()).mailbox;
  const info = await client.keys.generate(name, await chooseProtection(options, context.stop), {
    replace: options.replace === true,
  });
  await print(context, options, shown(info), `${info.mailbox}  ${info.fingerprint}`);
}

async function importFile(file: string, options: KeyOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const { bytes } = await collectOne(file, context.terminal.stdin, maxKeyFileBytes);
  const infos = await client.keys.import(bytes, {
    ...(options.mailbox === undefined ? {} : { mailboxes: options.mailbox }),
    replace: options.replace === true,
    protection: () => chooseProtection(options, context.stop),
  });
  await print(context, options, infos.map(shown), tableOf(infos));
}

async function exportKey(name: string, options: KeyOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const armored = await client.keys.export(name, { secret: options.secret === true });
  await print(context, options, { armored }, armored);
}

async function list(options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const infos = await client.keys.list();
  await print(context, options, infos.map(shown), infos.length === 0 ? 'There are no keys.' : tableOf(infos));
}

async function remove(name: string, options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const info = await client.keys.remove(name);
  await print(context, options, shown(info), `Removed ${info.mailbox}  ${info.fingerprint}`);
}

export function shown(info: KeyInfo): object {
  return { ...info, created: info.created.toISOString(), expires: info.expires?.toISOString() ?? null };
}

function tableOf(infos: readonly KeyInfo[]): string {
  return table(
    infos.map(({ mailbox, kind, fingerprint, protected: locked, flaw, source, since }) => {
      const notes = [
        source && `${sourceText[source]}, since ${since}`,
        locked === false ? 'no passphrase' : undefined,
        flaw,
      ];
      return [kind, mailbox, fingerprint, notes.filter((note) => note !== undefined).join(', ')];
    }),
  );
}
