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
import { type AuthorityStatus, startAuthority } from './authority.ts';
import { type AuthorityConfig, parseAuthorityConfig } from './config.ts';
import { initAuthority } from './init.ts';
import { keyPath, readKey } from './key.ts';

/** The command line of `postern-directory`: resolves to the exit code. */
export async function main(args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = commandLine(
    'postern-directory',
    'A Postern directory authority: registers nodes, issues a signed consensus every epoch.',
  );
  addInit(program);
  addRun(program, stop);
  addStatus(program);
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
    .description('Write a commented configuration and a new signing key; print the key that clients need.')
    .requiredOption('--name <domain>', 'name of the authority, for example authority1.example')
    .option(...configOption)
    .option('--data-dir <folder>', 'key and database, relative to the configuration file', 'directory-data')
    .option('--listen <host:port>', 'where HTTP is served', '127.0.0.1:8440')
    .option('--epoch <duration>', 'length of an epoch', '1h')
    .option('--mean-delay <duration>', 'mean delay at each hop', '200ms')
    .option('--bootstrap-nodes <count>', 'nodes that the first consensus waits for', count, 8)
    .action(async (options: InitOptions) => {
      const folder = dirname(resolve(options.config));
      await requireTrustedPath(folder);
      await requireTrustedPath(resolve(folder, options.dataDir));
      const { vkey } = await initAuthority({ ...options, configPath: options.config }, systemRandom);
      process.stderr.write(
        `Wrote ${options.config}. Clients and nodes need this key (authorities = ["…"]):\n`,
      );
      process.stdout.write(`${vkey}\n`);
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
      if ((await readKey(config.dataDir)) === undefined)
        throw new UserError(`there is no key at ${keyPath(config.dataDir)}`, {
          exitCode: ExitCode.config,
          hint: 'Make one with `postern-directory init`, or correct data_dir.',
        });
      const log = createLog({ name: 'directory' });
      await using authority = await startAuthority(config, {
        clock: systemClock,
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
    .option('--ready', 'end with 75 unless it has issued the consensus of this epoch')
    .action(async (options: { config: string; json?: boolean; ready?: boolean }) => {
      const text = await readControl(socketPath(await readConfig(options.config)), '/status');
      const status = JSON.parse(text) as AuthorityStatus;
      process.stdout.write(options.json === true ? `${text}\n` : describe(status));
      if (options.ready === true && status.consensus?.epoch !== status.epoch)
        throw new UserError('the authority is not ready: it has issued no consensus of this epoch', {
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
${heldUp === undefined ? '' : `held up     ${heldUp.why}\n`}`;
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
