import { maxMessageBytes } from '@postern/protocol/sealed';
import { type Command, Option } from 'commander';
import type { SubmissionConfig } from '../account/settings.ts';
import { collectOne } from '../collect/collect.ts';
import { ClientError } from '../errors.ts';
import { type LookupPolicy, lookupPolicies } from '../keys/index.ts';
import { type Problem, type SendMode, sendModes, type TlsWish, tlsWishes } from '../message.ts';
import type { RecipientResult } from '../pipeline.ts';
import type { Planned, PrepareOptions } from '../prepare.ts';
import type { PreviewOutcome, SendOutcome } from '../requests.ts';
import { type ConstraintOptions, constraintsOf, milliseconds, withConstraints } from './constraints.ts';
import { type CommonOptions, type Context, openClient, print, warn } from './context.ts';
import { type PassphraseOptions, passphraseSource, withPassphrase } from './passphrase.ts';
import { explainProblems, shownProblem } from './problems.ts';
import { progressLine } from './progress.ts';
import { explainPending, toServer } from './submission.ts';
import { count, countUnits } from './table.ts';

interface SendOptions extends MessageOptions {
  readonly timeout?: number;
  readonly dryRun?: boolean;
}

/** Options for what becomes of a message, wherever it goes. */
export interface MessageOptions extends CommonOptions, ConstraintOptions, PassphraseOptions {
  readonly as?: string;
  readonly mode?: SendMode;
  readonly tls?: TlsWish;
  readonly lookup?: LookupPolicy;
  readonly sentCopy?: boolean;
}

export function withMessageOptions(command: Command): Command {
  const mode = 'through mixes, by mail servers alone, or whichever a domain takes (default: as configured)';
  const tls =
    'direct: whether mail servers may do without TLS where the domain allows it (default: as configured)';
  const lookup = 'whether to look for the key of a recipient who has none here (default: as configured)';
  return withPassphrase(
    withConstraints(
      command
        .option('--as <mailbox>', 'send from another mailbox of yours')
        .addOption(new Option('--mode <mode>', mode).choices(sendModes))
        .addOption(new Option('--tls <wish>', tls).choices(tlsWishes))
        .addOption(new Option('--lookup <policy>', lookup).choices(lookupPolicies))
        .option('--no-sent-copy', 'keep no copy'),
    ),
  );
}

export function prepareOptions(options: MessageOptions): PrepareOptions {
  return {
    as: options.as,
    mode: options.mode,
    tls: options.tls,
    lookup: options.lookup,
    constraints: constraintsOf(options),
    meanDelayMs: options.meanDelay,
    // Only the option's negation says anything; otherwise the configuration counts.
    sentCopy: options.sentCopy === false ? false : undefined,
  };
}

export function addSend(program: Command, context: Context): void {
  withMessageOptions(
    program
      .command('send')
      .argument('[file]', 'the message; standard input for - or when it is left out')
      .description('Send a message (RFC 5322) to those in its To, Cc and Bcc.')
      .option(
        '--timeout <duration>',
        'how long to try to hand packets over (default: as configured, 5m)',
        milliseconds,
      )
      .option('--dry-run', 'show what would go to whom, how and why; make and send nothing'),
  ).action(async (file: string | undefined, _options, command: Command) =>
    send(file ?? '-', command.optsWithGlobals(), context),
  );
}

async function send(file: string, options: SendOptions, context: Context): Promise<void> {
  await using client = openClient(context, options, passphraseSource(options, context.stop));
  const { bytes } = await collectOne(file, context.terminal.stdin, maxMessageBytes);
  if (options.dryRun === true)
    return preview(
      await client.preview(bytes, { ...prepareOptions(options), signal: context.stop }),
      options,
      context,
    );
  const { submission } = await client.config();
  const line = progressLine(context.terminal, submission);
  const outcome = await client
    .send(bytes, {
      ...prepareOptions(options),
      timeoutMs: options.timeout,
      signal: context.stop,
      onProgress: line.report,
    })
    .catch((cause) => {
      // Whatever else goes wrong says itself how far the message has come.
      if (cause !== context.stop.reason || cause === undefined) throw cause;
      throw new ClientError('interrupted', 'interrupted: nothing was stored or sent', { cause });
    })
    .finally(line.end);
  if (outcome.kind === 'refused') return refuse(outcome.problems, options, context);
  const { kind: _kind, ...value } = outcome;
  await print(context, options, value, textOf(outcome, submission));
  for (const warning of outcome.warnings) await warn(context, warning);
  context.exitCode = await explainPending(context, outcome, submission);
}

async function preview(outcome: PreviewOutcome, options: SendOptions, context: Context): Promise<void> {
  if (outcome.kind === 'refused') return refuse(outcome.problems, options, context);
  const { kind: _kind, ...value } = outcome;
  const { recipients, account } = outcome;
  const lines = recipients.map((each) => basisOf(each.mailbox, each));
  const by = account === undefined ? [] : [byAccount(account, recipients)];
  await print(context, options, value, [...lines, ...by, 'Nothing was sent.'].join('\n'));
  for (const warning of outcome.warnings) await warn(context, warning);
}

export async function refuse(
  problems: readonly Problem[],
  options: CommonOptions,
  context: Context,
): Promise<void> {
  context.exitCode = await explainProblems(context, problems);
  await warn(context, 'nothing was sent');
  if (options.json !== true) return;
  const error = { code: 'refused', message: 'nothing was sent', problems: problems.map(shownProblem) };
  await print(context, options, { error }, '');
}

function textOf(
  outcome: Extract<SendOutcome, { kind: 'sent' }>,
  server: SubmissionConfig | undefined,
): string {
  const direct = outcome.recipients.filter(({ mode }) => mode === 'direct');
  const envelopes = direct.reduce((sum, { packets }) => sum + packets, 0);
  const all = outcome.submitted + outcome.pending;
  const handed = `${outcome.submitted} of ${countUnits(all, envelopes)} handed over${toServer(server)}`;
  const by = outcome.account === undefined ? [] : [byAccount(outcome.account, outcome.recipients)];
  return [outcome.messageId, ...outcome.recipients.map(lineOf), ...by, handed].join('\n');
}

/** What this fallback gives away, in words. */
function byAccount(account: string, recipients: readonly Pick<Planned, 'mode'>[]): string {
  const uses = (mode: Planned['mode']): boolean => recipients.some((each) => each.mode === mode);
  const learned = [
    ...(uses('mix') ? ['the first mix of each packet, which sees your mailbox'] : []),
    ...(uses('direct') ? ['the recipient’s domain, whose gateway sees your mailbox'] : []),
  ];
  return `by the account ${account}, whose provider knows nothing of Postern: it learns that you send, when and how much, and ${learned.join(', and ')}`;
}

/** What goes to one recipient, how and why, and what that rests on. */
export function lineOf(result: RecipientResult): string {
  return basisOf(`${result.mailbox}: ${wayOf(result)}`, result);
}

function reportsText({ reports }: Planned): string {
  return reports ? 'the recipient’s gateway can tell you what it cannot deliver' : 'none can reach you';
}

function basisOf(first: string, planned: Planned): string {
  const { mode, why, tlsOptional, key, record } = planned;
  const since = key.since === undefined ? '' : `, pinned since ${key.since}`;
  const news = key.news === undefined ? '' : `, ${newsText[key.news]}`;
  const tls = tlsOptional ? 'it may travel unencrypted between mail servers' : 'TLS required on the way';
  return [
    first,
    `  key: ${key.fingerprint}, ${sourceText[key.source]}${since}${news}`,
    `  domain: ${record.fingerprint}, ${voucherText[record.vouchedBy]}${fromText[record.from]}`,
    `  mode: ${mode}, ${why}; ${tls}`,
    `  reports: ${reportsText(planned)}`,
  ].join('\n');
}

function wayOf({ packets, mode, paths: [first] }: RecipientResult): string {
  if (mode === 'direct') return `${count(packets, 'envelope')}, direct`;
  if (packets > 1 || first === undefined) return `${count(packets, 'packet')}, each on a path of its own`;
  return `1 packet, by ${first.hops.map((hop, at) => `${hop} (${first.delaysMs[at]} ms)`).join(' → ')}`;
}

export const sourceText: Readonly<Record<RecipientResult['key']['source'], string>> = {
  file: 'imported',
  dns: 'from DNS, proven by DNSSEC',
  wkd: 'from the domain’s Web Key Directory',
  keyring: 'from your GnuPG keyring',
  own: 'your own',
  unknown: 'pinned',
};

const newsText = {
  'found-now': 'found just now, and not pinned',
  'pinned-now': 'found just now',
  'refreshed-now': 'refreshed just now',
} as const;

const voucherText = {
  pinned: 'pinned',
  dnssec: 'proven by DNSSEC',
  'first-use': 'trusted because it was seen first',
} as const;

const fromText = { file: '', cache: ', remembered', dns: ', asked for just now' } as const;
