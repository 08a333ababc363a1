import { ExitCode, systemClock, UserError } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { clearDowntime, type Planned, planDowntime, readDowntime } from '../register/downtime.ts';
import { configOption, readConfig, readOwnConfig } from './context.ts';

export function addDowntime(program: Command): void {
  const downtime = program
    .command('downtime')
    .description(
      'When the node is to be down: no author is led through it in the epochs that this touches. It is told with the next descriptor.',
    );
  downtime
    .command('add')
    .description(
      'Plan a span. It has to be known to authorities before the epochs are agreed on: plan a day ahead.',
    )
    .argument('<from>', 'for example 2026-12-01T22:00Z', time)
    .argument('<until>', 'for example 2026-12-02T01:30Z', time)
    .option(...configOption)
    .action(async (from: number, until: number, { config }: { config: string }) => {
      const { dataDir } = await readOwnConfig(config);
      const now = Math.floor(systemClock.now() / 1_000);
      if (until <= from || until <= now)
        throw new UserError('the span is over, or ends before it begins', { exitCode: ExitCode.usage });
      process.stdout.write(describe(await planDowntime(dataDir, { from, until }, now)));
    });
  downtime
    .command('list')
    .description('Show what is planned.')
    .option(...configOption)
    .action(async ({ config }: { config: string }) => {
      const { dataDir } = await readConfig(config);
      process.stdout.write(describe(await readDowntime(dataDir)));
    });
  downtime
    .command('clear')
    .description('Forget all that is planned.')
    .option(...configOption)
    .action(async ({ config }: { config: string }) => {
      const { dataDir } = await readOwnConfig(config);
      await clearDowntime(dataDir);
    });
}

function describe(planned: readonly Planned[]): string {
  return planned.map(({ from, until }) => `${utc(from)} ${utc(until)}\n`).join('');
}

function utc(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace(/:00\.000Z$/, 'Z');
}

/** Unix seconds of a time that says its zone. */
function time(text: string): number {
  const said = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(said))
    throw new InvalidArgumentError('It is no time with a zone, for example 2026-12-01T22:00Z.');
  return Math.floor(said / 1_000);
}
