import { maxMessageBytes } from '@postern/protocol/sealed';
import { duration, ExitCode, size, systemClock, UserError } from '@postern/runtime';
import { type Command, Option } from 'commander';
import type { DeliveryConfig, NodeConfig } from '../config.ts';
import {
  readRecord,
  recordSeconds,
  refuseUnpublished,
  renewRecord,
  rotateDomainKey,
} from '../keys/domain-keys.ts';
import { domainRing } from '../keys/ring.ts';
import { addCheck } from './check.ts';
import { configOption, option, readOwnConfig } from './context.ts';
import { tellCopies } from './copies.ts';

const messageSize = size.refine(
  (bytes) => bytes > 0 && bytes <= maxMessageBytes,
  'is no size of a message; write one from "1B" to "25MB", more than which nobody sends',
);

interface RenewOptions {
  readonly config: string;
  readonly holds: number;
  readonly tls?: 'require' | 'prefer';
  readonly mix?: 'yes' | 'no';
  readonly size?: number;
}

export function addDomain(program: Command): void {
  const domain = program
    .command('domain')
    .description('The OpenPGP key that authors write to the domain under, and its record.');
  domain
    .command('rotate')
    .description('Make the domain a new key; the one before goes on opening what is on its way.')
    .option(...configOption)
    .option('--again', 'even while the present key is not known to be in DNS')
    .action(async ({ config, again = false }: { readonly config: string; readonly again?: boolean }) => {
      const { dataDir, delivery, dns, spool } = await gatewayConfig(config);
      if (!again) await refuseUnpublished(dataDir, dns.resolver !== 'none');
      const path = await rotateDomainKey(dataDir, delivery.domain, seconds());
      const { fingerprint } = await readRecord(dataDir, delivery.domain);
      process.stdout.write(`${path}\n`);
      process.stderr.write(
        `Made a new key for ${delivery.domain}: ${fingerprint}\n` +
          'A node that runs opens messages with it within seconds. Publish what postern-node dns zone prints, step by step,\n' +
          'each once the time to live of the records before is over:\n' +
          '  1. The new OPENPGPKEY record beside the old one. The text _securemail stays as it is.\n' +
          '  2. The new text in place of the old one. Tell authors the fingerprint by another way than DNS.\n' +
          '  3. Take the old OPENPGPKEY record out.\n' +
          `The key before opens messages until DNS has named the new one for ${domainRing.overlap / 86_400} days; without answers of DNS it is kept.\n`,
      );
      tellCopies({ spool }, copied(delivery), beforeRecords);
    });
  domain
    .command('renew')
    .description('Write the record of the same key anew, to hold for longer or say something else.')
    .option(...configOption)
    .addOption(
      option('--holds <duration>', 'how long, from now', duration).default(recordSeconds * 1_000, '730d'),
    )
    .addOption(
      new Option('--tls <mode>', 'whether mail for it must travel over TLS (default: as it is)').choices([
        'require',
        'prefer',
      ]),
    )
    .addOption(
      new Option('--mix <answer>', 'whether it takes what comes through mixes (default: as it is)').choices([
        'yes',
        'no',
      ]),
    )
    .addOption(
      option('--size <size>', 'largest message that it takes, 25MB at most (default: as it is)', messageSize),
    )
    .action(async ({ config, holds, tls, mix, size: maxBytes }: RenewOptions) => {
      const { dataDir, delivery, spool } = await gatewayConfig(config);
      const path = await renewRecord(dataDir, delivery.domain, {
        expires: seconds() + Math.floor(holds / 1_000),
        ...(tls === undefined ? {} : { tls }),
        ...(mix === undefined ? {} : { mix: mix === 'yes' }),
        ...(maxBytes === undefined ? {} : { maxBytes }),
      });
      process.stdout.write(`${path}\n`);
      process.stderr.write('Publish its records: postern-node dns zone prints them.\n');
      tellCopies({ spool }, copied(delivery), beforeRecords);
    });
  addCheck(domain);
}

const beforeRecords = 'before the records are published';

function copied({ domain }: DeliveryConfig): string {
  return `${domainRing.folder}/ and ${domain}.zone`;
}

async function gatewayConfig(
  path: string,
): Promise<Pick<NodeConfig, 'dataDir' | 'dns' | 'spool'> & { delivery: DeliveryConfig }> {
  const { dataDir, delivery, dns, spool } = await readOwnConfig(path);
  if (delivery !== undefined) return { dataDir, delivery, dns, spool };
  throw new UserError('a node without a domain has no key of one', {
    exitCode: ExitCode.usage,
    hint: 'Only a gateway has: one with the role "delivery".',
  });
}

function seconds(): number {
  return Math.floor(systemClock.now() / 1_000);
}
