import { dirname, isAbsolute, join, resolve } from 'node:path';
import {
  aborted,
  commandLine,
  createLog,
  readControl,
  readToml,
  runCommandLine,
  systemClock,
  systemRandom,
} from '@postern/runtime';
import { type Command, Option } from 'commander';
import { type NodeConfig, type NodeRole, parseNodeConfig } from './config.ts';
import type { NewNode } from './config-file.ts';
import { initNode } from './init.ts';
import { startNode } from './node.ts';
import { formatStatus, type NodeStatus } from './status.ts';

/** The command line of `postern-node`: resolves to the exit code. */
export async function main(args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = commandLine(
    'postern-node',
    'One hop of a Postern network: a mix, or the gateway of a domain.',
  );
  addInit(program);
  addRun(program, stop);
  addStatus(program);
  return runCommandLine(program, args);
}

const configOption = ['--config <file>', 'configuration file', 'node.toml'] as const;

interface InitOptions {
  readonly config: string;
  readonly dir: string;
  readonly name: string;
  readonly role: NodeRole[];
  readonly family?: string;
  readonly listen: string;
  readonly advertise?: string;
  readonly directoryUrl: string[];
  readonly authority: string[];
  readonly threshold?: number;
  readonly domain?: string;
  readonly maildir?: string;
  readonly mailbox?: string[];
  readonly lmtp?: string;
}

function addInit(program: Command): void {
  program
    .command('init')
    .description('Make keys and certificate, and write a commented configuration. Replaces nothing.')
    .requiredOption('--name <domain>', 'mail domain of the node, for example mix1.example')
    .addOption(new Option('--role <role...>', 'what it does').choices(['mix', 'delivery']).default(['mix']))
    .requiredOption('--directory-url <url...>', 'where the directory is served')
    .requiredOption('--authority <key...>', 'keys of the authorities, as they print them')
    .option('--threshold <n>', 'how many authorities must have signed (default: more than half)', Number)
    .option(...configOption)
    .option('--dir <folder>', 'keys and spool, relative to the configuration file', 'node-data')
    .option('--family <name>', 'operator that runs several nodes')
    .option('--listen <host:port>', 'where SMTP is taken', '127.0.0.1:2525')
    .option('--advertise <host:port>', 'where others reach it (default: as --listen)')
    .option('--domain <domain>', 'the domain that it is the gateway of')
    .option('--maildir <path>', 'where messages go; {local} stands for the mailbox')
    .option('--mailbox <local...>', 'mailboxes that exist, with --maildir')
    .option('--lmtp <address>', 'deliver by LMTP instead: host:port or unix:/path')
    .action(async (options: InitOptions) => {
      const deps = { clock: systemClock, random: systemRandom };
      const { id, configPath, zonePath } = await initNode(newNode(options), deps);
      process.stderr.write(`Wrote ${configPath}. The node's id:\n`);
      process.stdout.write(`${id}\n`);
      if (zonePath !== undefined) process.stderr.write(`Records for the domain's zone: ${zonePath}\n`);
    });
}

function newNode(options: InitOptions): NewNode {
  const { config, dir, name, role, family, listen, advertise, directoryUrl, authority } = options;
  const { threshold, domain, maildir, mailbox, lmtp } = options;
  const asked = [domain, maildir, mailbox, lmtp].some((option) => option !== undefined);
  return {
    configPath: config,
    dataDir: dir,
    name,
    roles: role,
    ...(family === undefined ? {} : { family }),
    listen,
    advertise: advertise ?? listen,
    directoryUrls: directoryUrl,
    authorities: authority,
    ...(threshold === undefined ? {} : { threshold }),
    ...(asked
      ? {
          delivery: {
            domain: domain ?? name,
            ...(maildir === undefined ? {} : { maildir: resolve(maildir) }),
            ...(mailbox === undefined ? {} : { mailboxes: mailbox }),
            ...(lmtp === undefined ? {} : { lmtp }),
          },
        }
      : {}),
  };
}

function addRun(program: Command, stop: AbortSignal): void {
  program
    .command('run')
    .description('Run the node until SIGTERM.')
    .option(...configOption)
    .action(async ({ config: path }: { config: string }) => {
      const config = await readConfig(path);
      const log = createLog({ name: config.name });
      const deps = { clock: systemClock, random: systemRandom, log };
      try {
        await using node = await startNode(config, { ...deps, signal: stop });
        await Promise.race([aborted(stop), node.broken.then((error) => Promise.reject(error))]);
      } catch (error) {
        if (!stop.aborted) throw error;
      }
    });
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('Ask the running node how it does.')
    .option(...configOption)
    .option('--json', 'print one JSON object')
    .action(async (options: { config: string; json?: boolean }) => {
      const { dataDir } = await readConfig(options.config);
      const text = await readControl(join(dataDir, 'control.sock'), '/status');
      process.stdout.write(
        options.json === true ? `${text}\n` : formatStatus(JSON.parse(text) as NodeStatus),
      );
    });
}

async function readConfig(path: string): Promise<NodeConfig> {
  const config = parseNodeConfig(await readToml(path), path);
  if (isAbsolute(config.dataDir)) return config;
  return { ...config, dataDir: resolve(dirname(path), config.dataDir) };
}
