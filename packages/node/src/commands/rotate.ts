import { duration, ExitCode, systemClock, systemRandom, UserError } from '@postern/runtime';
import type { Command } from 'commander';
import { createCertificate } from '../keys/certificate.ts';
import { makeDkimKeys } from '../keys/dkim-keys.ts';
import { addNext, dkimRing, endOf, readRing, tlsRing, utc } from '../keys/ring.ts';
import { configOption, option, readConfig } from './context.ts';

interface RotateOptions {
  readonly config: string;
  /** Milliseconds. */
  readonly in: number;
}

/**
 * Longer than records of DNS are remembered, a day, and mail waits in a queue, five: whoever wrote a key down has as long to write down
 * the next one.
 */
const lead = { ms: 7 * 86_400_000, text: '7d' };
const inFlags = '--in <duration>';

export function addTls(program: Command): void {
  program
    .command('tls')
    .description('The key that the node shows in TLS.')
    .command('rotate')
    .description('Make the next key and certificate. The node publishes them, and shows them later.')
    .option(...configOption)
    .addOption(option(inFlags, 'when it is shown at the earliest', duration).default(lead.ms, lead.text))
    .action(async (options: RotateOptions) => {
      const { dataDir, name } = await readConfig(options.config);
      const ring = await readRing(dataDir, tlsRing);
      if (ring.previous.length > 0)
        throw new UserError('the key before is kept still, and peers are told of two at most', {
          exitCode: ExitCode.usage,
          hint: `Try again after ${utc(endOf([ring.current], 1, tlsRing))}.`,
        });
      const at = whenIn(options);
      const { dir } = await addNext(dataDir, tlsRing, at, (aside) =>
        createCertificate(aside, name, systemRandom),
      );
      process.stdout.write(`${dir}/tls.crt\n`);
      process.stderr.write(
        'A node that runs publishes the key within a minute. Until then, whoever wrote down the present one has to add it:\n' +
          'TLSA records (postern-node dns zone), Postfix’s tls_policy, authors’ submission.pin.\n' +
          `It is shown from ${utc(at)} on, or as soon after as every consensus in use names it.\n`,
      );
    });
}

export function addDkim(program: Command): void {
  program
    .command('dkim')
    .description('The keys that sign what goes to other domains.')
    .command('rotate')
    .description('Make the next keys. Publish their records; the node signs with them later.')
    .option(...configOption)
    .addOption(option(inFlags, 'when they sign', duration).default(lead.ms, lead.text))
    .action(async (options: RotateOptions) => {
      const { dataDir, submission } = await readConfig(options.config);
      if (submission === undefined)
        throw new UserError('a node without authors signs nothing', {
          exitCode: ExitCode.usage,
          hint: 'Only one with the role "submission" has DKIM keys.',
        });
      const at = whenIn(options);
      const { dir } = await addNext(dataDir, dkimRing, at, (aside) => makeDkimKeys(aside, systemRandom));
      process.stdout.write(`${dir}/dkim.json\n`);
      process.stderr.write(
        `Publish their records now: postern-node dns zone prints them. They sign from ${utc(at)} on.\n` +
          'Leave the records of those before until dns zone no longer prints them.\n',
      );
    });
}

/** Unix seconds. */
function whenIn({ in: ms }: RotateOptions): number {
  return Math.ceil((systemClock.now() + ms) / 1_000);
}
