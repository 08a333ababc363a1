import { dirname, isAbsolute, resolve } from 'node:path';
import { readToml } from '@postern/runtime';
import { InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import { type NodeConfig, parseNodeConfig } from '../config.ts';
import { requireOwner } from '../keys/files.ts';
import { resolveSpoolPaths } from '../spool-config.ts';
import { resolvePaths } from '../submission-config.ts';

export const configOption = ['--config <file>', 'configuration file', 'node.toml'] as const;

const ifMissing = 'Name it with --config FILE, or make one: postern-node init';

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

/** The configuration, with absolute paths. */
export async function readConfig(path: string): Promise<NodeConfig> {
  const config = parseNodeConfig(await readToml(path, ifMissing), path);
  const absolute = (name: string): string => (isAbsolute(name) ? name : resolve(dirname(path), name));
  return {
    ...config,
    dataDir: absolute(config.dataDir),
    spool: resolveSpoolPaths(config.spool, absolute),
    submission: config.submission && resolvePaths(config.submission, absolute),
  };
}
