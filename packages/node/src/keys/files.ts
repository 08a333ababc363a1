import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, requireTrustedPath, UserError } from '@postern/runtime';
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
 * and could lead root elsewhere by a link. Whose the directory is, or the identity key in it, the node is. So is it with whoever can exchange the
 * directory. Throws `UserError`.
 */
export async function requireOwner(
  dataDir: string,
  user: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (user !== 0) return;
  // Where the directory's own name is a link, that link and what it leads to; in it a link in the key's place, not what that leads to.
  for (const path of [`${dataDir}/`, dataDir, join(dataDir, 'identity.key')]) {
    const found = await lstat(path).catch(ifGone);
    if (found !== undefined && found.uid !== 0) throw othersNode(dataDir, path);
  }
  await requireTrustedPath(dataDir, user);
}

function ifGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function othersNode(dataDir: string, path: string): UserError {
  return new UserError(
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
