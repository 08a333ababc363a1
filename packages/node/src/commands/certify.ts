import { ed25519 } from '@postern/protocol/primitives';
import { ExitCode, systemClock, systemRandom, UserError } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { NodeError } from '../errors.ts';
import { identityOf, readIdentity } from '../keys/identity.ts';
import { certify, loadSigningKey, mostDays, usualDays } from '../keys/signing.ts';
import { configOption, readOwnConfig } from './context.ts';
import { tellCopies } from './copies.ts';

export function addCertify(program: Command): void {
  program
    .command('certify')
    .description(
      'Make the next signing key, and sign its certificate with the identity key. A node that runs takes it by itself.',
    )
    .requiredOption('--identity <file>', 'the identity key, from where it is kept')
    .option(...configOption)
    .option('--days <count>', `how long it is to sign, at most ${mostDays}`, days, usualDays)
    .action(async ({ config: path, identity: identityFile, days }: CertifyArguments) => {
      const config = await readOwnConfig(path);
      const { dataDir } = config;
      const identity = await readIdentity(identityFile);
      await requireSameNode(dataDir, identity);
      const now = Math.floor(systemClock.now() / 1_000);
      const { id, validUntil } = await certify({ dataDir, identity, now, days, random: systemRandom });
      const until = new Date(validUntil * 1_000).toISOString();
      process.stderr.write(
        `Wrote a signing key and its certificate to ${dataDir}; it signs until ${until}. The node's id:\n`,
      );
      process.stdout.write(`${id}\n`);
      tellCopies(config, 'signing.key');
    });
}

interface CertifyArguments {
  readonly config: string;
  readonly identity: string;
  readonly days: number;
}

/** One identity key in the place of another would make another node of this one. Without a signing key any will do. */
async function requireSameNode(dataDir: string, identity: Uint8Array): Promise<void> {
  const known = await loadSigningKey(dataDir).catch((error: unknown) => {
    if (error instanceof NodeError && error.code === 'missing-key-file') return undefined;
    throw error;
  });
  const { id } = identityOf(ed25519.publicKey(identity));
  if (known === undefined || known.id === id) return;
  throw new UserError(`the identity key is that of ${id}, and this node is ${known.id}`, {
    exitCode: ExitCode.dataError,
    hint: 'Name the file identity.key that `postern-node init` wrote for this node.',
  });
}

function days(text: string): number {
  const count = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > mostDays) throw new InvalidArgumentError(`It is no count from 1 to ${mostDays}.`);
  return count;
}
