import type { Command } from 'commander';
import { type CommonOptions, type Context, openClient, print } from './context.ts';
import { repeated } from './repeated.ts';
import { countUnits, table } from './table.ts';

interface OutboxOptions extends CommonOptions {
  readonly discard?: string[];
}

export function addOutbox(program: Command, context: Context): void {
  program
    .command('outbox')
    .description('Show what waits to be handed over, and discard it.')
    .option(
      '--discard <id>',
      'remove what is left of the message with this id, unsent; may be repeated',
      repeated,
    )
    .action(async (_options, command: Command) => outbox(command.optsWithGlobals(), context));
}

async function outbox(options: OutboxOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const { discard = [] } = options;
  if (discard.length > 0) {
    const envelopes = new Map((await client.outbox.list()).map((set) => [set.id, set.envelopes]));
    const discarded = [];
    for (const id of discard) discarded.push({ id, packets: await client.outbox.discard(id) });
    const lines = discarded.map(
      ({ id, packets }) => `Discarded ${countUnits(packets, envelopes.get(id))} of ${id}.`,
    );
    return print(context, options, { discarded }, lines.join('\n'));
  }
  const sets = await client.outbox.list();
  const value = sets.map((set) => ({ ...set, expires: dateOf(set.expires) }));
  const rows = sets.map(({ id, packets, envelopes, expires, flaw }) => [
    id,
    countUnits(packets, envelopes),
    Number.isFinite(expires) ? `until ${dateOf(expires)}` : '',
    flaw ?? '',
  ]);
  await print(context, options, value, sets.length === 0 ? 'The outbox is empty.' : table(rows));
}

function dateOf(seconds: number): string | null {
  return Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : null;
}
