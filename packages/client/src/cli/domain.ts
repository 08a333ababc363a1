import type { DomainRecord } from '@postern/protocol/dns';
import type { Command } from 'commander';
import { collectOne } from '../collect/collect.ts';
import { type CommonOptions, type Context, openClient, print } from './context.ts';
import { table } from './table.ts';

/** Far more than the two records of a domain take. */
const maxZoneBytes = 1_000_000;

interface PinOptions extends CommonOptions {
  readonly replace?: boolean;
}

export function addDomain(program: Command, context: Context): void {
  const domain = program
    .command('domain')
    .description('the domains that you write to: what they publish of themselves');
  domain
    .command('pin <file>')
    .description('take a domain’s record from a file, or from standard input (-)')
    .option('--replace', 'take it although another key is pinned for the domain')
    .action(async (file: string, _options, command: Command) =>
      pin(file, command.optsWithGlobals(), context),
    );
  domain
    .command('list')
    .description('show the domains that are pinned')
    .action(async (_options, command: Command) => list(command.optsWithGlobals(), context));
  domain
    .command('show <domain>')
    .description('print a domain’s record as it was pinned')
    .action(async (name: string, _options, command: Command) =>
      show(name, command.optsWithGlobals(), context),
    );
  domain
    .command('remove <domain>')
    .description('forget a domain')
    .action(async (name: string, _options, command: Command) =>
      remove(name, command.optsWithGlobals(), context),
    );
}

async function pin(file: string, options: PinOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const { bytes } = await collectOne(file, context.terminal.stdin, maxZoneBytes);
  const record = await client.domains.pin(Buffer.from(bytes).toString('utf8'), {
    replace: options.replace === true,
  });
  await print(context, options, shown(record), `${record.domain}  ${record.fingerprint}`);
}

async function list(options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const rows = await Promise.all(
    (await client.domains.list()).map(async (domain) => ({
      domain,
      found: await client.domains.lookup(domain),
    })),
  );
  const value = rows.map(({ domain, found }) =>
    found.kind === 'record'
      ? shown(found.record)
      : { domain, flaw: found.kind === 'refused' ? found.reason : 'gone' },
  );
  const text = table(
    rows.map(({ domain, found }) => [
      domain,
      found.kind === 'record' ? found.record.fingerprint : found.kind === 'refused' ? found.reason : 'gone',
      found.kind === 'record' ? `until ${dateOf(found.record.expires)}` : '',
    ]),
  );
  await print(context, options, value, rows.length === 0 ? 'No domain is pinned.' : text);
}

async function show(domain: string, options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const zone = await client.domains.show(domain);
  const found = await client.domains.lookup(domain);
  await print(
    context,
    options,
    { zone, ...(found.kind === 'record' ? shown(found.record) : { domain }) },
    zone,
  );
}

async function remove(domain: string, options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  await client.domains.remove(domain);
  await print(context, options, { domain }, `Removed ${domain}.`);
}

function shown(record: DomainRecord): object {
  const { certificate: _certificate, expires, ...rest } = record;
  return { ...rest, expires: new Date(expires * 1000).toISOString() };
}

function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}
