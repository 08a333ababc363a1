import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ExitCode,
  isMissing,
  readSecretFile,
  requireTrustedPath,
  UserError,
  whyUnreadable,
} from '@postern/runtime';
import { NodeError } from '../errors.ts';

/** A key file of the data directory. Throws as `readSecret` does. */
export function readKeyFile(path: string): Promise<Uint8Array> {
  return readSecret(path, { what: 'the key', ifMissing: restoreIt });
}

/** A file of the data directory that others may see. Throws `NodeError` `missing-key-file`, `key-file-io`. */
export function readPublicFile(path: string): Promise<Uint8Array> {
  return readOpenFile(path, restoreIt);
}

const restoreIt =
  'Make a data directory with `postern-node init`, correct data_dir, or restore the file from a backup.';

interface Secret {
  /** What lies in the file: `the key`. */
  readonly what: string;
  /** What to do when there is no such file. */
  readonly ifMissing: string;
  /** Bits of the mode that the file may not have; all of group and others when not given. */
  readonly forbidden?: number;
}

/**
 * A file that is for the node alone. Throws `NodeError` `missing-key-file` when there is none, `key-file-io` when it cannot be read, and
 * `UserError` `exposed` where others may get at it.
 */
export async function readSecret(path: string, { what, ifMissing, forbidden }: Secret): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readSecretFile(path, what, forbidden));
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw isMissing(cause) ? missing(path, ifMissing, cause) : unreadable(path, cause);
  }
}

/** A file that anybody may see, as `readSecret` reads one. */
export async function readOpenFile(path: string, ifMissing: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw isMissing(cause) ? missing(path, ifMissing, cause) : unreadable(path, cause);
  }
}

function missing(path: string, hint: string, cause: unknown): NodeError {
  return new NodeError('missing-key-file', `${path} cannot be read: ${whyUnreadable(cause)}`, {
    cause,
    exitCode: ExitCode.config,
    hint,
  });
}

/** It is there: a new one in its place would be another's. */
export function unreadable(path: string, cause: unknown): NodeError {
  const isForbidden = ['EACCES', 'EPERM'].includes((cause as NodeJS.ErrnoException).code ?? '');
  return new NodeError('key-file-io', `${path} cannot be read: ${whyUnreadable(cause)}`, {
    cause,
    exitCode: isForbidden ? ExitCode.noPermission : ExitCode.tempFail,
    hint: isForbidden
      ? `Nothing was destroyed. Run this as the node’s user, or, if it is to be this one’s, have root type: chown ${process.geteuid?.() ?? 'USER'} ${path}`
      : 'Nothing was destroyed. Mend what keeps it from being read (disk, open files) and start again.',
  });
}

/**
 * Refuses to have root write into the data directory of a node that is another user's: that user could not read what root makes there,
 * and could lead root elsewhere by a link. Whose the directory is, or the signing or identity key in it, the node is. So is it with whoever can exchange the
 * directory. Throws `UserError`.
 */
export async function requireOwner(
  dataDir: string,
  user: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (user !== 0) return;
  // Where the directory's own name is a link, that link and what it leads to; in it a link in the key's place, not what that leads to.
  for (const path of [`${dataDir}/`, dataDir, join(dataDir, 'signing.key'), join(dataDir, 'identity.key')]) {
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
