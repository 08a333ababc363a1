import type { Command } from 'commander';
import { collectOne } from '../collect/collect.ts';
import type { Held } from '../domains/index.ts';
import { day, inWords } from '../domains/words.ts';
import { type CommonOptions, type Context, openClient, print } from './context.ts';
import { addDomainDns } from './domain-dns.ts';
import { shown } from './domain-record.ts';
import { table } from './table.ts';

/** Far more than the two records of a domain take. */
const maxZoneBytes = 1_000_000;

interface PinOptions extends CommonOptions {
  readonly replace?: boolean;
}

export function addDomain(program: Command, context: Context): void {
  const domain = program
    .command('domain')
    .description('The domains that you write to: what they publish of themselves.');
  domain
    .command('pin')
    .argument('<file>', 'the lines of its zone file that the domain’s gateway prints; - for standard input')
    .description('Take a domain’s record from a file.')
    .option('--replace', 'take it in place of another, or of a newer one, that is pinned')
    .action(async (file: string, _options, command: Command) =>
      pin(file, command.optsWithGlobals(), context),
    );
  domain
    .command('list')
    .description('Show the domains that are pinned, and those found in DNS.')
    .action(async (_options, command: Command) => list(command.optsWithGlobals(), context));
  domain
    .command('show')
    .argument('<domain>', 'for example b.example')
    .description('Print a domain’s record as it was pinned, or found in DNS.')
    .action(async (name: string, _options, command: Command) =>
      show(name, command.optsWithGlobals(), context),
    );
  domain
    .command('remove')
    .argument('<domain>', 'for example b.example')
    .description('Forget a domain.')
    .action(async (name: string, _options, command: Command) =>
      remove(name, command.optsWithGlobals(), context),
    );
  addDomainDns(domain, context);
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
    (await client.domains.list()).map(async (domain) => listed(domain, await client.domains.held(domain))),
  );
  const text = table(rows.map(({ cells }) => cells));
  await print(
    context,
    options,
    rows.map(({ value }) => value),
    rows.length === 0 ? 'No domain is known.' : text,
  );
}

/** A line for a domain: what would be used of it without asking anybody. */
function listed(domain: string, { pinned, remembered }: Held): { value: object; cells: string[] } {
  if (pinned?.parsed.kind === 'refused') {
    const flaw = inWords(pinned.parsed.reason);
    return { value: { domain, vouchedBy: 'pinned', flaw }, cells: [domain, flaw, '', 'pinned'] };
  }
  const known = pinned === undefined ? remembered?.known : { ...pinned.parsed, vouchedBy: 'pinned' };
  if (known === undefined) return { value: { domain, flaw: 'gone' }, cells: [domain, 'gone', '', ''] };
  const { record, vouchedBy } = known;
  const offered = pinned === undefined ? remembered?.offered?.record.fingerprint : undefined;
  return {
    value: { ...shown(record), vouchedBy, ...(offered === undefined ? {} : { offered }) },
    cells: [
      domain,
      record.fingerprint,
      `until ${day(record.expires)}`,
      offered === undefined ? vouchedBy : `${vouchedBy}; DNS brings ${offered}`,
    ],
  };
}

async function show(domain: string, options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const zone = await client.domains.show(domain);
  const { pinned, remembered } = await client.domains.held(domain);
  const record = pinned?.parsed.kind === 'record' ? pinned.parsed.record : remembered?.known.record;
  await print(context, options, { zone, ...(record === undefined ? { domain } : shown(record)) }, zone);
}

async function remove(domain: string, options: CommonOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  await client.domains.remove(domain);
  await print(context, options, { domain }, `Removed ${domain}.`);
}
