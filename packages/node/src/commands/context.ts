import { dirname, isAbsolute, resolve } from 'node:path';
import { readToml } from '@postern/runtime';
import { type NodeConfig, parseNodeConfig } from '../config.ts';
import { resolvePaths } from '../submission-config.ts';

export const configOption = ['--config <file>', 'configuration file', 'node.toml'] as const;

/** The configuration, with absolute paths. */
export async function readConfig(path: string): Promise<NodeConfig> {
  const config = parseNodeConfig(await readToml(path), path);
  const absolute = (name: string): string => (isAbsolute(name) ? name : resolve(dirname(path), name));
  return {
    ...config,
    dataDir: absolute(config.dataDir),
    submission: config.submission && resolvePaths(config.submission, absolute),
  };
}
