import { duration, ExitCode, systemClock, systemRandom, UserError } from '@postern/runtime';
import { type Command, Option } from 'commander';
import type { NodeConfig } from '../config.ts';
import { createCertificate, loadCertificate } from '../keys/certificate.ts';
import { makeDkimKeys } from '../keys/dkim-keys.ts';
import { inOrder, loadRing } from '../keys/loaded.ts';
import {
  addNext,
  discardNext,
  dkimRing,
  type RingKind,
  readRing,
  refuseLater,
  tlsRing,
  utc,
} from '../keys/ring.ts';
import { configOption, option, readConfig, readOwnConfig } from './context.ts';
import { tellCopies } from './copies.ts';
import { refuseUnread } from './unread.ts';

interface RotateOptions {
  readonly config: string;
  /** Milliseconds. */
  readonly in: number;
  readonly discard?: boolean;
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
const discardOption = (): Option =>
  new Option('--discard', 'destroy the next one instead, which is not in force yet').conflicts('in');

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
      const ring = await readRing(dataDir, tlsRing);
      const asked = options.all === true ? ring : { ...ring, next: undefined, previous: [] };
      const { keys, unread } = await loadRing(asked, loadCertificate);
      for (const { value } of inOrder(keys)) {
        const { pin } = value;
        process.stdout.write(`${options.colons === true ? pin.replace(/..(?!$)/g, '$&:') : pin}\n`);
      }
      refuseUnread(unread, 'Its line is not among those printed');
    });
  tls
    .command('rotate')
    .description('Make the next key and certificate. The node publishes them, and shows them later.')
    .option(...configOption)
    .addOption(option(inFlags, 'when it is shown at the earliest', duration).default(lead.ms, lead.text))
    .addOption(discardOption())
    .action(async (options: RotateOptions) => {
      const config = await readOwnConfig(options.config);
      const { dataDir, name } = config;
      if (options.discard === true)
        return discard(
          config,
          tlsRing,
          'Whoever wrote it down beside the present one can take it out again.',
        );
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
      tellCopies(config, `${tlsRing.folder}/`, 'before it is shown');
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
    .addOption(discardOption())
    .action(async (options: RotateOptions) => {
      const config = await readOwnConfig(options.config);
      const { dataDir, submission, dns } = config;
      if (submission === undefined)
        throw new UserError('a node without authors signs nothing', {
          exitCode: ExitCode.usage,
          hint: 'Only one with the role "submission" has DKIM keys.',
        });
      if (options.discard === true)
        return discard(
          config,
          dkimRing,
          'Take the records out of DNS that postern-node dns zone no longer prints.',
        );
      if (dns.resolver === 'none')
        throw new UserError(
          'the configuration has nobody asked, and other keys sign only once DNS has them',
          {
            exitCode: ExitCode.config,
            hint: 'Name a resolver in the section [dns], and start the node anew.',
          },
        );
      refuseLater((await readRing(dataDir, dkimRing)).current, nowSeconds());
      const at = whenIn(options);
      const { dir } = await addNext(dataDir, dkimRing, at, (aside) => makeDkimKeys(aside, systemRandom));
      process.stdout.write(`${dir}/dkim.json\n`);
      process.stderr.write(
        `Publish their records now: postern-node dns zone prints them. They sign from ${utc(at)} on,\n` +
          'or as soon after as DNS has them.\n' +
          'Leave the records of those before until dns zone no longer prints them.\n',
      );
      tellCopies(config, `${dkimRing.folder}/`, 'before their records are published');
    });
}

async function discard(config: NodeConfig, kind: RingKind, rest: string): Promise<void> {
  if (!(await discardNext(config.dataDir, kind)))
    throw new UserError('nothing is to follow', {
      exitCode: ExitCode.usage,
      hint: 'What is in force is not taken back, but replaced: see postern-node status.',
    });
  process.stderr.write(`What was to follow is destroyed, and the present one stays. ${rest}\n`);
  tellCopies(config, `${kind.folder}/`);
}

function nowSeconds(): number {
  return Math.floor(systemClock.now() / 1_000);
}

/** Unix seconds. */
function whenIn({ in: ms }: RotateOptions): number {
  return Math.ceil((systemClock.now() + ms) / 1_000);
}
