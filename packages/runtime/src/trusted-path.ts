import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, parse, resolve, sep } from 'node:path';
import { ExitCode, UserError } from './errors.ts';

/** As many links as Linux follows. */
const mostLinks = 40;
const [others, sticky] = [0o022, 0o1000];

/**
 * Refuses to have root write at `path` when another user can exchange what is there: whoever owns or may write to a folder above it can
 * put something else, or a link, in the place of what stands in it. Every folder from the root of the file system on counts, as for OpenSSH's
 * `StrictModes`, on the way that links lead too, except that others may write to one with the sticky bit: there they move only what is theirs. What
 * does not exist yet is made by root. Throws `UserError` `exposed`.
 */
export async function requireTrustedPath(
  path: string,
  user: number | undefined = process.geteuid?.(),
): Promise<void> {
  if (user !== 0) return;
  let links = 0;
  let at = parse(resolve(path)).root;
  let left = partsOf(resolve(path));
  for (;;) {
    const found = await lstat(at).catch(ifGone);
    if (found === undefined) return;
    if (found.uid !== 0)
      throw exposed(
        `${at} belongs to a user other than root, who could put something else in its place or in it`,
        `Run this as that user, or choose a path whose folders are root’s: stat -c '%U %a %n' ${at}`,
      );
    if (found.isSymbolicLink()) {
      links += 1;
      if (links > mostLinks) return; // nobody gets through there
      const target = resolve(dirname(at), await readlink(at));
      at = parse(target).root;
      left = [...partsOf(target), ...left];
      continue;
    }
    if ((found.mode & others) !== 0 && (found.mode & sticky) === 0)
      throw exposed(`other users may write to ${at}`, `Take that from them with: chmod go-w ${at}`);
    const next = left.shift();
    if (next === undefined) return;
    at = join(at, next);
  }
}

function partsOf(path: string): string[] {
  return path.slice(parse(path).root.length).split(sep).filter(Boolean);
}

function exposed(message: string, hint: string): UserError {
  return new UserError(message, { code: 'exposed', exitCode: ExitCode.noPermission, hint });
}

function ifGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
