import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  aborted,
  commandLine,
  createLog,
  ExitCode,
  readControl,
  runCommandLine,
  superviseBy,
  systemClock,
  systemRandom,
  tellSupervisor,
  UserError,
} from '@postern/runtime';
import type { Command } from 'commander';
import { addAbuse } from './commands/abuse.ts';
import { addAuthor } from './commands/author.ts';
import { addCertify } from './commands/certify.ts';
import { configOption, readConfig, readOwnConfig } from './commands/context.ts';
import { addDns } from './commands/dns.ts';
import { addDomain } from './commands/domain.ts';
import { addDowntime } from './commands/downtime.ts';
import { addInit } from './commands/init.ts';
import { addMixKeys } from './commands/mix-keys.ts';
import { addDkim, addTls } from './commands/rotate.ts';
import { identityPath } from './keys/identity.ts';
import { startNode } from './node.ts';
import { stageNames } from './stages.ts';
import { formatStatus, type ToldStatus, unreadiness } from './status.ts';

/** The command line of `postern-node`: resolves to the exit code. */
export async function main(args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = commandLine(
    'postern-node',
    'One hop of a Postern network: a mix, or the gateway of a domain.',
  );
  addInit(program);
  addCertify(program);
  addDowntime(program);
  addRun(program, stop);
  addStatus(program);
  addAuthor(program, stop);
  addAbuse(program);
  addDns(program);
  addDomain(program);
  addTls(program);
  addDkim(program);
  addMixKeys(program);
  return runCommandLine(program, args);
}

function addRun(program: Command, stop: AbortSignal): void {
  program
    .command('run')
    .description('Run the node until SIGTERM.')
    .option(...configOption)
    .option(
      '--only <stages...>',
      `run these alone, of ${stageNames.join(', ')}, with commas or spaces between them: the node’s other processes run the rest`,
    )
    .action(async ({ config: path, only }: { config: string; only?: string[] }) => {
      const config = await readOwnConfig(path);
      const stages = only && stagesIn(only);
      const log = createLog({ name: config.name });
      if (existsSync(identityPath(config.dataDir)))
        log.warn('identity key lies beside the signing key', {
          hint: `move ${identityPath(config.dataDir)} to where nobody else gets at it`,
        });
      const deps = { clock: systemClock, random: systemRandom, log, ...(stages && { stages }) };
      try {
        await using node = await startNode(config, { ...deps, signal: stop });
        const by = superviseBy(process.env, process.pid);
        await using _supervised = await tellSupervisor({ by, log, alive: node.alive });
        await Promise.race([aborted(stop), node.broken.then((error) => Promise.reject(error))]);
      } catch (error) {
        if (!stop.aborted) throw error;
      }
    });
}

/** Of words with commas in them or between them. */
function stagesIn(words: readonly string[]): string[] {
  const names = words.join(',').split(',');
  return names.map((name) => name.trim()).filter((name) => name !== '');
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('Ask the running node how it does.')
    .option(...configOption)
    .option('--json', 'print one JSON object')
    .option('--ready', 'end with 75 unless a consensus that holds lists it')
    .action(async (options: { config: string; json?: boolean; ready?: boolean }) => {
      const { dataDir } = await readConfig(options.config);
      const text = await readControl(join(dataDir, 'control.sock'), '/status');
      const status = JSON.parse(text) as ToldStatus;
      process.stdout.write(options.json === true ? `${text}\n` : formatStatus(status));
      const { fault } = status;
      if (fault !== null) throw new UserError(fault.message, fault);
      const lacks = unreadiness(status);
      if (options.ready === true && lacks !== undefined)
        throw new UserError(`the node is not ready: ${lacks}`, { exitCode: ExitCode.tempFail });
    });
}
