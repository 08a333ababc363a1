import { duration, ExitCode, systemClock, systemRandom, UserError } from '@postern/runtime';
import type { Command } from 'commander';
import { createCertificate, loadCertificate } from '../keys/certificate.ts';
import { makeDkimKeys } from '../keys/dkim-keys.ts';
import { addNext, dkimRing, readRing, refuseLater, tlsRing, utc } from '../keys/ring.ts';
import { configOption, option, readConfig } from './context.ts';

interface RotateOptions {
  readonly config: string;
  /** Milliseconds. */
  readonly in: number;
}

interface PinOptions {
  readonly config: string;
  readonly all?: boolean;
  readonly colons?: boolean;
}

/**
 * Longer than records of DNS are remembered, a day, and mail waits in a queue, five: whoever wrote a key down has as long to write down
 * the next one.
 */
const lead = { ms: 7 * 86_400_000, text: '7d' };
const inFlags = '--in <duration>';

export function addTls(program: Command): void {
  const tls = program.command('tls').description('The key that the node shows in TLS.');
  tls
    .command('pin')
    .description('Print the SHA-256 of the key that is shown now, for whoever has to write it down.')
    .option(...configOption)
    .option('--all', 'a line for each: the one that is shown, the next one, the one before')
    .option('--colons', 'as Postfix writes it')
    .action(async (options: PinOptions) => {
      const { dataDir } = await readConfig(options.config);
      const { current, next, previous } = await readRing(dataDir, tlsRing);
      const beside = [...(next === undefined ? [] : [next]), ...previous];
      const shown = [current, ...(options.all === true ? beside : [])];
      for (const { dir } of shown) {
        const { pin } = await loadCertificate(dir);
        process.stdout.write(`${options.colons === true ? pin.replace(/..(?!$)/g, '$&:') : pin}\n`);
      }
    });
  tls
    .command('rotate')
    .description('Make the next key and certificate. The node publishes them, and shows them later.')
    .option(...configOption)
    .addOption(option(inFlags, 'when it is shown at the earliest', duration).default(lead.ms, lead.text))
    .action(async (options: RotateOptions) => {
      const { dataDir, name } = await readConfig(options.config);
      const { current, previous } = await readRing(dataDir, tlsRing);
      refuseLater(current, nowSeconds());
      if (previous[0] !== undefined)
        throw new UserError('the key before is kept still, and peers are told of two at most', {
          exitCode: ExitCode.usage,
          hint: `Try again after ${utc(previous[0].until)}.`,
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
    .addOption(option(inFlags, 'when they sign at the earliest', duration).default(lead.ms, lead.text))
    .action(async (options: RotateOptions) => {
      const { dataDir, submission } = await readConfig(options.config);
      if (submission === undefined)
        throw new UserError('a node without authors signs nothing', {
          exitCode: ExitCode.usage,
          hint: 'Only one with the role "submission" has DKIM keys.',
        });
      refuseLater((await readRing(dataDir, dkimRing)).current, nowSeconds());
      const at = whenIn(options);
      const { dir } = await addNext(dataDir, dkimRing, at, (aside) => makeDkimKeys(aside, systemRandom));
      process.stdout.write(`${dir}/dkim.json\n`);
      process.stderr.write(
        `Publish their records now: postern-node dns zone prints them. They sign from ${utc(at)} on,\n` +
          'or as soon after as DNS has them.\n' +
          'Leave the records of those before until dns zone no longer prints them.\n',
      );
    });
}

function nowSeconds(): number {
  return Math.floor(systemClock.now() / 1_000);
}

/** Unix seconds. */
function whenIn({ in: ms }: RotateOptions): number {
  return Math.ceil((systemClock.now() + ms) / 1_000);
}
