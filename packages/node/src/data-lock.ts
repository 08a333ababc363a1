import { join } from 'node:path';
import { ExitCode, isHeld, isMissing, lockFile, mayNotWrite } from '@postern/runtime';
import { NodeError } from './errors.ts';

/**
 * Keeps a data directory for one node that runs, until disposed of: each turns keys there, and has its socket there. Throws `NodeError`
 * `data-in-use`, `key-file-io`.
 */
export function lockDataDir(dataDir: string): Disposable {
  const path = join(dataDir, 'lock');
  try {
    return lockFile(path);
  } catch (cause) {
    if (isHeld(cause))
      throw new NodeError('data-in-use', `another postern-node runs on ${dataDir}`, {
        cause,
        exitCode: ExitCode.unavailable,
        hint: 'Stop it, or give this one a data directory of its own.',
      });
    throw new NodeError('key-file-io', `${path} cannot be locked`, {
      cause,
      ...whyNot(cause),
    });
  }
}

function whyNot(cause: unknown): { readonly exitCode: ExitCode; readonly hint: string } {
  if (isMissing(cause))
    return {
      exitCode: ExitCode.config,
      hint: 'That folder is not there: correct data_dir, or make one: postern-node init.',
    };
  if (mayNotWrite(cause))
    return {
      exitCode: ExitCode.noPermission,
      hint: 'See that the node’s user may write to that folder, and that the file is that user’s.',
    };
  return {
    exitCode: ExitCode.config,
    hint: 'It is to be an empty file. See that no postern-node runs on that folder, and remove it.',
  };
}
