import { randomBytes } from 'node:crypto';
import { chmod, type FileHandle, lstat, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ExitCode, UserError } from './errors.ts';

/**
 * Replaces a file so that a crash leaves the old or the new content, never a mixture: written aside, synced, renamed,
 * directory synced. Durable when it returns. `mode` is the new file's; keys take 0o600. What was written aside for nothing is
 * overwritten, since it may be half a secret.
 */
export async function writeFileDurable(
  path: string,
  data: string | Uint8Array,
  { mode = 0o600 }: { mode?: number } = {},
): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(aside, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await overwriteAndRemove(aside)
      .catch(() => unlink(aside))
      .catch(() => undefined);
    // Whoever reads of it knows the file, and not what it was called aside.
    if ((error as NodeJS.ErrnoException).path === aside) Object.assign(error as Error, { path });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes creations, renames and removals in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Removes a secret: its bytes are overwritten in place and synced before the name goes. A journaling or copy-on-write
 * file system, or flash, may keep older copies; full-disk encryption is the operator's answer to those.
 */
export async function overwriteAndRemove(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await overwrite(file);
  } finally {
    await file.close();
  }
  await unlink(path);
  await syncDirectory(dirname(path));
}

/**
 * Replaces a secret as `writeFileDurable` does, and then overwrites the bytes of the one that was there, if there was one. Not
 * before: a crash may leave the old bytes behind, but never neither of the two. They are reached through the file held open, whose
 * name is the new one's by then.
 */
export async function replaceSecret(path: string, data: string | Uint8Array): Promise<void> {
  // Its owner may have made it read-only, as is done with keys.
  await chmod(path, 0o600).catch(ifThere);
  const old = await open(path, 'r+').catch(ifThere);
  try {
    await writeFileDurable(path, data, { mode: 0o600 });
    if (old !== undefined) await overwrite(old);
  } finally {
    await old?.close();
  }
}

async function overwrite(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  await file.write(randomBytes(size), 0, size, 0);
  await file.sync();
}

function ifThere(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

/**
 * A directory that only this process's user may enter, for keys and what waits to be sent. Throws `UserError` where there is one
 * already that others own, may read or may write to.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await makeDirectory(path);
  await requireOwnDirectory(path, privately);
}

/**
 * A directory that only this process's user may change: what is made there, for its owner alone, is not exchanged for another's. Others
 * may see its names. Throws `UserError` where there is one already that others own or may write to.
 */
export async function makeUnsharedDirectory(path: string): Promise<void> {
  await makeDirectory(path);
  await requireOwnDirectory(path, unshared);
}

/** Refuses one that is there as `makePrivateDirectory` does. */
export async function requirePrivateDirectory(path: string): Promise<void> {
  if ((await lstat(path).catch(ifThere)) !== undefined) await requireOwnDirectory(path, privately);
}

/** What a directory may not be, and what is said of one that is. */
interface Closure {
  /** Mode bits. */
  readonly forbidden: number;
  refusal(path: string): { readonly message: string; readonly hint: string };
}

const privately: Closure = {
  forbidden: 0o077,
  refusal: (path) => ({
    message: `${path} is open to other users`,
    hint: `Close it with: chmod 700 ${path}`,
  }),
};
const unshared: Closure = {
  forbidden: 0o022,
  refusal: (path) => ({
    message: `other users may write to ${path}`,
    hint: `Take that from them with: chmod go-w ${path}`,
  }),
};

async function requireOwnDirectory(path: string, { forbidden, refusal }: Closure): Promise<void> {
  const found = await lstat(path);
  // Who owns a link says where it leads, wherever that is; root may say so anyway.
  const isLink = found.isSymbolicLink();
  const led = isLink ? await stat(path) : found;
  if (!(isOurs(found.uid) || (isLink && found.uid === 0)) || !isOurs(led.uid))
    throw new UserError(`${path} belongs to another user`, {
      code: 'exposed',
      exitCode: ExitCode.noPermission,
      hint: 'Run this as the user whose it is, or choose another folder.',
    });
  if (!hasModes || (led.mode & forbidden) === 0) return;
  const { message, hint } = refusal(path);
  throw new UserError(message, { code: 'exposed', exitCode: ExitCode.noPermission, hint });
}

/**
 * A directory that may hold what others see, such as a configuration: for its owner alone when it is made, else left as it is. Gives the first
 * that was made on the way. One is made after the other, since a recursive `mkdir` of Node never ends where a directory is there and yet
 * nothing can be made in it, as in `/proc` or where an automounter is.
 */
export async function makeDirectory(path: string): Promise<string | undefined> {
  const wanted = [resolve(path)];
  for (let above = dirname(wanted[0] as string); !(await isThere(above)); above = dirname(above))
    wanted.unshift(above);
  const made: string[] = [];
  for (const one of wanted) {
    try {
      await mkdir(one, { mode: 0o700 });
      made.push(one);
    } catch (error) {
      const isDirectory =
        (error as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(one)).isDirectory();
      if (!isDirectory) throw error;
    }
  }
  return made[0];
}

/** What has nothing above it is taken for there. */
async function isThere(path: string): Promise<boolean> {
  return dirname(path) === path || (await stat(path).catch(ifThere)) !== undefined;
}

function isOurs(uid: number): boolean {
  return !hasModes || uid === process.geteuid?.();
}

/** Windows has neither numbered users nor modes. */
export const hasModes: boolean = process.geteuid !== undefined;
