import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, UserError } from '@postern/runtime';
import { NodeError } from '../errors.ts';

/** A key file of the data directory. Throws `NodeError` `missing-key-file` when there is none. */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new NodeError('missing-key-file', `${path} cannot be read`, {
      cause,
      exitCode: ExitCode.config,
      hint: 'Make a data directory with `postern-node init`, correct data_dir, or restore the file from a backup.',
    });
  }
}

/**
 * Refuses to have root write into the data directory of a node that is another user's: that user could not read what root makes there,
 * and could lead root elsewhere by a link. Whose the identity key is, whose the node is. Throws `UserError`.
 */
export async function requireOwner(
  dataDir: string,
  user: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (user !== 0) return;
  const path = join(dataDir, 'identity.key');
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined || found.uid === 0) return;
  throw new UserError(
    `${dataDir} belongs to a node that root does not run, which could not read what root makes`,
    {
      exitCode: ExitCode.noPermission,
      hint: `Run this as the node’s user: runuser -u "$(stat -c %U ${path})" -- postern-node …`,
    },
  );
}

export function wrongKeyFile(path: string, what: string, cause?: unknown): NodeError {
  return new NodeError('wrong-key-file', `${path} holds no ${what}`, {
    cause,
    exitCode: ExitCode.config,
    hint: 'Restore the file from a backup, or make a new data directory with `postern-node init`.',
  });
}
