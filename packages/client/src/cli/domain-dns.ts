import { type Asked, certificateOwner, type Finding, textOwner } from '@postern/protocol/dns';
import { ExitCode } from '@postern/runtime';
import type { Command } from 'commander';
import { type DomainCheck, type DomainLookup, type Explained, explain } from '../domains/index.ts';
import { day } from '../domains/words.ts';
import { milliseconds } from './constraints.ts';
import { type CommonOptions, type Context, openClient, print, warn } from './context.ts';
import { shown } from './domain-record.ts';
import { progressLine } from './progress.ts';
import { count, table } from './table.ts';
import { write } from './terminal.ts';
import { visible } from './visible.ts';

interface PrefetchOptions extends CommonOptions {
  readonly within?: number;
}

/** The commands that ask DNS, and what comes of them. */
export function addDomainDns(domain: Command, context: Context): void {
  domain
    .command('check')
    .argument('<domain>', 'for example b.example')
    .description('Ask DNS for a domain’s record, as sending would, and explain what comes of it.')
    .action(async (name: string, _options, command: Command) =>
      check(name, command.optsWithGlobals(), context),
    );
  domain
    .command('accept')
    .argument('<domain>', 'for example b.example')
    .argument('[fingerprint]', 'of its key, as the operator has told you; no other is taken then')
    .description('Take the changed record that DNS brings, once its operator has told you that it is theirs.')
    .action(async (name: string, fingerprint: string | undefined, _options, command: Command) =>
      accept(name, fingerprint, command.optsWithGlobals(), context),
    );
  domain
    .command('prefetch')
    .description(
      'Ask DNS ahead of time for all domains that are known and those of everybody whose certificate is here, in random order at random times.',
    )
    .option('--within <duration>', 'over how long to spread the questions (default: 1h)', milliseconds)
    .action(async (_options, command: Command) => prefetch(command.optsWithGlobals(), context));
}

async function check(name: string, options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const checked = await client.domains.check(name, context.stop);
  const { domain, held, asked } = checked;
  const why = refusalOf(checked);
  const found = foundBy(checked);
  const record = found.kind === 'record' ? found.record : undefined;
  const value = {
    domain,
    finding: found.kind,
    ...detailsOf(found),
    ...(why === undefined ? {} : { code: why.code, message: why.message, hint: why.hint }),
    ...(record === undefined ? {} : { record: shown(record) }),
    pinned: held.pinned !== undefined,
    ...(asked === undefined
      ? {}
      : { answers: { text: plain(asked.answers.text), certificate: plain(asked.answers.certificate) } }),
  };
  await print(context, options, value, textOf(checked));
  if (why !== undefined) {
    await warn(context, why.message);
    await write(context.terminal.stderr, `  ${visible(why.hint)}\n`);
    context.exitCode = why.exitCode;
  }
}

async function accept(
  name: string,
  fingerprint: string | undefined,
  options: CommonOptions,
  context: Context,
): Promise<void> {
  await using client = openClient(context, options);
  const record = await client.domains.accept(name, fingerprint?.toLowerCase());
  await print(context, options, shown(record), `${record.domain}  ${record.fingerprint}`);
}

async function prefetch(options: PrefetchOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const line = progressLine(context.terminal);
  const { checks, left } = await client
    .prefetch({ withinMs: options.within ?? 3_600_000, signal: context.stop, onWait: line.waiting })
    .finally(line.end);
  const sorted = [...checks].sort((one, other) => (one.domain < other.domain ? -1 : 1));
  const value = {
    domains: sorted.map((checked) => {
      const found = foundBy(checked);
      return { domain: checked.domain, finding: found.kind, ...detailsOf(found) };
    }),
    left,
  };
  const rows = sorted.map((checked) => [checked.domain, outcomes[foundBy(checked).kind]]);
  await print(context, options, value, rows.length + left.length === 0 ? 'No domain is known.' : table(rows));
  for (const why of sorted.map(refusalOf)) {
    if (why === undefined || why.code === 'domain-takes-no-part') continue;
    await warn(context, why.message);
    await write(context.terminal.stderr, `  ${visible(why.hint)}\n`);
    if (why.exitCode === ExitCode.tempFail) context.exitCode = ExitCode.tempFail;
  }
  if (left.length === 0) return;
  await warn(context, `interrupted: ${count(left.length, 'domain')} not asked for`);
  context.exitCode = ExitCode.tempFail;
}

const outcomes: Readonly<Record<(Finding | DomainLookup)['kind'], string>> = {
  record: 'takes part',
  'does-not-take-part': 'does not take part',
  unsigned: 'has a record, but its zone is not signed',
  changed: 'has another record than the one known',
  invalid: 'has a record that does not hold',
  temporary: 'no trustworthy answer now',
  'bad-pin': 'what is pinned does not hold',
  unknown: 'nothing is known',
};

/** What DNS says; what sending rests on when nobody may be asked. */
function foundBy({ asked, unasked }: DomainCheck): Finding | DomainLookup {
  return asked?.finding ?? unasked;
}

function refusalOf(checked: DomainCheck): Explained | undefined {
  const found = foundBy(checked);
  return found.kind === 'record' ? undefined : explain(checked.domain, found);
}

function detailsOf(finding: Finding | DomainLookup): object {
  switch (finding.kind) {
    case 'record':
      return {
        vouchedBy: finding.vouchedBy,
        ...('ttlSeconds' in finding ? { ttlSeconds: finding.ttlSeconds } : {}),
      };
    case 'changed':
      return {
        change: finding.change,
        vouchedBy: finding.vouchedBy,
        known: shown(finding.known.record),
        offered: shown(finding.record),
      };
    case 'does-not-take-part':
      return { secure: finding.secure };
    case 'temporary':
      return {
        reason: finding.reason,
        ...(finding.lastGood === undefined ? {} : { lastGood: shown(finding.lastGood.record) }),
      };
    case 'invalid':
    case 'bad-pin':
      return { reason: finding.reason };
    case 'unsigned':
    case 'unknown':
      return {};
  }
}

/** An answer without its records. */
function plain(answer: Asked<unknown>): object {
  if (answer.kind === 'failed') return answer;
  const { kind, secure, ttlSeconds } = answer;
  return { kind, secure, ttlSeconds, ...(answer.kind === 'found' ? { records: answer.records.length } : {}) };
}

function textOf({ domain, held, unasked, asked }: DomainCheck): string {
  if (asked === undefined && unasked.kind === 'record') {
    const whence = unasked.from === 'file' ? 'pinned' : 'known from DNS';
    return `${domain}: ${whence} until ${day(unasked.record.expires)}; sending uses that and asks nobody`;
  }
  if (asked === undefined)
    return `${domain}: nobody is asked, since the configuration says resolver = "none"`;
  const { answers, finding } = asked;
  const rows = [
    [`${textOwner(domain)} TXT`, inBrief(answers.text)],
    [`${certificateOwner(domain)} OPENPGPKEY`, inBrief(answers.certificate)],
    ...(held.pinned === undefined ? [] : [['a record pinned from a file', 'it counts before DNS']]),
  ];
  const takes = finding.kind === 'record' ? [recordText(finding)] : [];
  return [table(rows), ...takes].join('\n');
}

function inBrief(answer: Asked<unknown>): string {
  if (answer.kind === 'failed') return `failed: ${answer.reason}`;
  const proven = answer.secure ? 'proven by DNSSEC' : 'not proven';
  return answer.kind === 'none'
    ? `none, ${proven}`
    : `${count(answer.records.length, 'record')}, ${proven}, to be kept for ${answer.ttlSeconds} s`;
}

function recordText({ record, vouchedBy }: Extract<Finding, { kind: 'record' }>): string {
  const by =
    vouchedBy === 'dnssec'
      ? 'vouched for by DNSSEC'
      : 'trusted because it was seen first; nothing vouches for it';
  return [
    `${record.domain} takes part: ${by}`,
    `key ${record.fingerprint}, until ${day(record.expires)}`,
    `takes ${record.mix ? 'mail' : 'no mail'} through mixes, ${record.maxBytes} bytes at most, TLS ${record.tls === 'require' ? 'required' : 'preferred'}`,
  ].join('\n');
}
