import { ExitCode, systemClock, UserError } from '@postern/runtime';
import type { Command } from 'commander';
import { overlapSeconds, rotateDomainKey } from '../keys/domain-keys.ts';
import { configOption, readConfig } from './context.ts';

export function addDomain(program: Command): void {
  program
    .command('domain')
    .description('The OpenPGP key that authors write to the domain under.')
    .command('rotate')
    .description('Make the domain a new key; the one before goes on opening what is on its way.')
    .option(...configOption)
    .action(async (options: { readonly config: string }) => {
      const { dataDir, delivery } = await readConfig(options.config);
      if (delivery === undefined)
        throw new UserError('a node without a domain has no key of one', {
          exitCode: ExitCode.usage,
          hint: 'Only a gateway has: one with the role "delivery".',
        });
      const now = Math.floor(systemClock.now() / 1_000);
      const zonePath = await rotateDomainKey(dataDir, delivery.domain, now);
      process.stdout.write(`${zonePath}\n`);
      process.stderr.write(
        `Made a new key for ${delivery.domain}. A node that runs takes it up within a minute, and says so in its log.\n` +
          'Then publish its records: postern-node dns zone prints them.\n' +
          `The key before opens messages for ${overlapSeconds / 86_400} days more; then it is destroyed.\n`,
      );
    });
}
