import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  aborted,
  commandLine,
  createLog,
  ExitCode,
  readControl,
  readToml,
  requireTrustedPath,
  runCommandLine,
  serveControl,
  superviseBy,
  systemClock,
  systemRandom,
  tellSupervisor,
  UserError,
} from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import type { Alarm } from './alarms.ts';
import { addAudit } from './audit/command.ts';
import { startAuthority } from './authority.ts';
import { type AuthorityConfig, parseAuthorityConfig } from './config.ts';
import { initAuthority } from './init.ts';
import { certify, mostDays, usualDays } from './keys/certify.ts';
import { signingFolder } from './keys/files.ts';
import { identityPath, readAuthority, readPrivateKey } from './keys/identity.ts';
import type { Missed } from './outages/outages.ts';
import type { AuthorityStatus, PeerStatus } from './status.ts';
import { unusualIn } from './unusual.ts';

/** The command line of `postern-directory`: resolves to the exit code. */
export async function main(args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = commandLine(
    'postern-directory',
    'A Postern directory authority: registers nodes, issues a signed consensus every epoch.',
  );
  addInit(program);
  addCertify(program);
  addRun(program, stop);
  addStatus(program);
  addAudit(program, stop);
  return runCommandLine(program, args);
}

const configOption = ['--config <file>', 'configuration file', 'directory.toml'] as const;

const hints = {
  ifMissing: 'Name it with --config FILE, or make one: postern-directory init',
  ifDenied: 'Run this as the authority’s user: runuser -u postern -- postern-directory …',
};

function addInit(program: Command): void {
  program
    .command('init')
    .description(
      'Write a commented configuration, an identity key and a first signing key; print the key that readers need.',
    )
    .requiredOption('--name <domain>', 'name of the authority, for example authority1.example')
    .option(...configOption)
    .option('--data-dir <folder>', 'keys and database, relative to the configuration file', 'directory-data')
    .option('--listen <host:port>', 'where HTTP is served', '127.0.0.1:8440')
    .option('--epoch <duration>', 'length of an epoch', '1h')
    .option('--mean-delay <duration>', 'mean delay at each hop', '200ms')
    .option('--bootstrap-nodes <count>', 'nodes that the first consensus waits for', count, 8)
    .action(async (options: InitOptions) => {
      const folder = dirname(resolve(options.config));
      await requireTrustedPath(folder);
      await requireTrustedPath(resolve(folder, options.dataDir));
      const at = { clock: systemClock, random: systemRandom };
      const { vkey, unusual } = await initAuthority({ ...options, configPath: options.config }, at);
      const identity = identityPath(resolve(folder, options.dataDir));
      process.stderr.write(
        `Wrote ${options.config}. Move ${identity} to where nobody else gets at it: it makes the next signing key, within ${usualDays} days.\nClients and nodes need this key (authorities = ["…"]):\n`,
      );
      process.stdout.write(`${vkey}\n`);
      for (const why of unusual) process.stderr.write(`Warning: ${why}.\n`);
    });
}

interface InitOptions {
  readonly name: string;
  readonly config: string;
  readonly dataDir: string;
  readonly listen: string;
  readonly epoch: string;
  readonly meanDelay: string;
  readonly bootstrapNodes: number;
}

function addCertify(program: Command): void {
  program
    .command('certify')
    .description('Make the next signing key, and sign its certificate with the identity key.')
    .requiredOption('--identity <file>', 'the identity key, from where it is kept')
    .option(...configOption)
    .option('--days <count>', `how long it is to sign, at most ${mostDays}`, count, usualDays)
    .action(async ({ identity: path, config: configPath, days }: CertifyArguments) => {
      const { name, dataDir, epochSeconds } = await readConfig(configPath);
      await requireTrustedPath(dataDir);
      if (days > mostDays)
        throw new UserError(`${days} days are more than ${mostDays}`, { exitCode: ExitCode.usage });
      const identity = await readPrivateKey(path);
      if (identity === undefined)
        throw new UserError(`there is no key at ${path}`, {
          exitCode: ExitCode.dataError,
          hint: 'Name the file that `postern-directory init` wrote: identity.key.',
        });
      const now = Math.floor(systemClock.now() / 1_000);
      const asked = { name, dataDir, identity, epochSeconds, days, now, random: systemRandom };
      const { certificate } = await certify(asked);
      const until = new Date(certificate.validUntil * 1_000).toISOString();
      process.stderr.write(
        `Wrote a signing key and its certificate to ${signingFolder(dataDir)}; it signs until ${until}. An authority that runs takes it by itself.\n`,
      );
    });
}

interface CertifyArguments {
  readonly identity: string;
  readonly config: string;
  readonly days: number;
}

function addRun(program: Command, stop: AbortSignal): void {
  program
    .command('run')
    .description('Run the authority until SIGTERM.')
    .option(...configOption)
    .option(
      '--confirm-epoch <epoch>',
      'the clock is right: go on at this epoch, though the last consensus is older than a week (`status` says when this is needed)',
      epochNumber,
    )
    .action(async ({ config: path, confirmEpoch }: { config: string; confirmEpoch?: number }) => {
      const config = await readConfig(path);
      await requireTrustedPath(config.dataDir);
      if ((await readAuthority(config.name, config.dataDir)) === undefined)
        throw new UserError(`there are no keys in ${config.dataDir}`, {
          exitCode: ExitCode.config,
          hint: 'Make them with `postern-directory init`, or correct data_dir.',
        });
      const log = createLog({ name: 'directory' });
      if (existsSync(identityPath(config.dataDir)))
        log.warn('identity key lies beside the signing key', {
          hint: `move ${identityPath(config.dataDir)} to where nobody else gets at it`,
        });
      for (const why of unusualIn(config)) log.warn('the configuration is for tests', { why });
      await using authority = await startAuthority(config, {
        clock: systemClock,
        uptime: () => performance.now(),
        random: systemRandom,
        log,
        ...(confirmEpoch === undefined ? {} : { confirmedEpoch: confirmEpoch }),
      });
      const status = async (): Promise<AuthorityStatus> => authority.status();
      await using _control = await serveControl({
        socketPath: socketPath(config),
        status,
        metrics: authority.metrics,
      });
      const by = superviseBy(process.env, process.pid);
      await using _supervised = await tellSupervisor({ by, log, alive: status });
      await aborted(stop);
      log.info('stopping');
    });
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('Ask the running authority how it does.')
    .option(...configOption)
    .option('--json', 'print one JSON object')
    .option('--ready', 'end with 75 unless it has a consensus of this epoch')
    .action(async (options: { config: string; json?: boolean; ready?: boolean }) => {
      const text = await readControl(socketPath(await readConfig(options.config)), '/status');
      const status = JSON.parse(text) as AuthorityStatus;
      process.stdout.write(options.json === true ? `${text}\n` : describe(status));
      if (options.ready === true && !isReady(status))
        throw new UserError('the authority is not ready: there is no consensus of this epoch', {
          exitCode: ExitCode.tempFail,
        });
    });
}

function describe({
  name,
  url,
  vkey,
  epoch,
  registered,
  bootstrapNodes,
  signingKey,
  peers,
  threshold,
  alarms,
  outages,
  heldUp,
  consensus,
}: AuthorityStatus): string {
  const issued =
    consensus === undefined
      ? `none yet: waits for ${bootstrapNodes} nodes`
      : `epoch ${consensus.epoch}, fresh until ${consensus.freshUntil}`;
  return `${name} at ${url}
key         ${vkey}
epoch       ${epoch}
registered  ${registered}
consensus   ${issued}
signs until ${signingKey.until}${signingKey.ending ? '; make the next key: postern-directory certify --identity FILE' : ''}
${heldUp === undefined ? '' : `held up     ${heldUp.why}\n`}${peers.length === 0 ? '' : `signatures  ${threshold} of ${peers.length + 1} authorities\n`}${peers.map(describePeer).join('')}${outages.missed.map(describeMissed).join('')}${alarms.map(describeAlarm).join('')}`;
}

function describePeer({ name, url, answers, why, aheadSeconds = 0 }: PeerStatus): string {
  const does = answers ? 'answers' : `does not answer${why === undefined ? '' : `: ${why}`}`;
  const clock = aheadSeconds === 0 ? '' : `, its clock ${aheadSeconds} s ahead of the one here`;
  return `peer        ${name} at ${url} ${does}${clock}\n`;
}

function describeMissed({ name, by, out }: Missed): string {
  const state = out ? 'left out of new paths' : 'still used';
  return `missed      ${name}, not reached by ${by.join(', ')}: ${state}\n`;
}

function describeAlarm({ kind, about, why }: Alarm): string {
  return `alarm       ${kind}${about === '' ? '' : ` ${about}`}: ${why}\n`;
}

/** Several authorities have the next epoch's before it begins. */
function isReady({ epoch, consensus, heldUp }: AuthorityStatus): boolean {
  if (consensus === undefined || consensus.epoch < epoch) return false;
  return consensus.epoch === epoch || heldUp?.reason !== 'clock-behind';
}

async function readConfig(path: string): Promise<AuthorityConfig> {
  const config = parseAuthorityConfig(await readToml(path, hints), path);
  return { ...config, dataDir: resolve(dirname(path), config.dataDir) };
}

function socketPath({ dataDir }: AuthorityConfig): string {
  return join(dataDir, 'control.sock');
}

function epochNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('It is no epoch.');
  return Number(text);
}

function count(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('It is no count.');
  return Number(text);
}
