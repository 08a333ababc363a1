import { readdir } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { ExitCode, isDenied, readToml, UserError } from '@postern/runtime';
import { InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import { type NodeConfig, parseNodeConfig } from '../config.ts';
import { requireOwner } from '../keys/files.ts';
import { resolveSpoolPaths } from '../spool-config.ts';
import { resolvePaths } from '../submission-config.ts';

export const configOption = ['--config <file>', 'configuration file', 'node.toml'] as const;

const hints = {
  ifMissing: 'Name it with --config FILE, or make one: postern-node init',
  ifDenied: 'Run this as the node’s user: runuser -u postern -- postern-node …',
};

/** An option whose value has one of the configuration's forms. */
export function option<T>(flags: string, description: string, form: z.ZodType<T, string>): Option {
  return new Option(flags, description).argParser((text) => {
    const parsed = form.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`It ${parsed.error.issues[0]?.message}.`);
  });
}

/** The configuration, for a command that writes what the node has to read. Throws `UserError` where root runs it for another user's node. */
export async function readOwnConfig(path: string): Promise<NodeConfig> {
  const config = await readConfig(path);
  await requireOwner(config.dataDir);
  return config;
}

/** The configuration, with absolute paths, and a data directory that is there. Throws `ConfigError`, `UserError`. */
export async function readConfig(path: string): Promise<NodeConfig> {
  const config = parseNodeConfig(await readToml(path, hints), path);
  const absolute = (name: string): string => (isAbsolute(name) ? name : resolve(dirname(path), name));
  const dataDir = absolute(config.dataDir);
  await requireDataDir(dataDir, path);
  return {
    ...config,
    dataDir,
    spool: resolveSpoolPaths(config.spool, absolute),
    submission: config.submission && resolvePaths(config.submission, absolute),
  };
}

async function requireDataDir(dataDir: string, configPath: string): Promise<void> {
  try {
    await readdir(dataDir);
  } catch (cause) {
    const denied = isDenied(cause);
    throw new UserError(
      `${dataDir}, which data_dir in ${configPath} names: ${denied ? 'you may not read it' : 'there is no such folder'}`,
      {
        cause,
        exitCode: denied ? ExitCode.noPermission : ExitCode.config,
        hint: denied ? hints.ifDenied : 'Correct data_dir, or make a data directory: postern-node init.',
      },
    );
  }
}
