import type { Command } from 'commander';
import { lockDataDir } from '../data-lock.ts';
import { destroyMixKeys } from '../keys/mix-keys.ts';
import { configOption, readOwnConfig } from './context.ts';

export function addMixKeys(program: Command): void {
  program
    .command('mix-keys')
    .description('The keys of a mix, which it makes and destroys by itself while it runs.')
    .command('destroy')
    .description(
      'Overwrite and remove all of them in this data directory, and the chain that leads to later ones: of a process that will not run again, or not for longer than six epochs. Refused while a node runs there. What waits for these keys alone cannot be opened any more.',
    )
    .option(...configOption)
    .action(async ({ config }: { config: string }) => {
      const { dataDir } = await readOwnConfig(config);
      using _locked = lockDataDir(dataDir);
      const { keys, chains } = await destroyMixKeys(dataDir);
      process.stdout.write(`destroyed: keys ${keys}, chains ${chains}\n`);
    });
}
