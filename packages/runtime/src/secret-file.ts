import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { ExitCode, UserError } from './errors.ts';
import { hasModes } from './files.ts';

/** Whether others than its owner may get at a file, by one of the mode's bits `by`. What is no file, such as a pipe, is as it is handed on. */
export function isExposed({ mode }: Pick<Stats, 'mode'>, by: number = ofOthers): boolean {
  return hasModes && (mode & constants.S_IFMT) === constants.S_IFREG && (mode & by) !== 0;
}

/**
 * A file that is for its owner alone, with `what` in it: `the key`. Throws `UserError` `exposed` where it has one of the mode's bits `by`, and
 * the system's errors.
 */
export async function readSecretFile(path: string, what: string, by: number = ofOthers): Promise<Buffer> {
  await using file = await open(path);
  refuseExposed(await file.stat(), { path, what, by });
  return await file.readFile().catch((error: unknown) => naming(path, error));
}

/** As `readSecretFile`, at once. */
export function readSecretFileSync(path: string, what: string): Buffer {
  const file = openSync(path, 'r');
  try {
    refuseExposed(fstatSync(file), { path, what, by: ofOthers });
    return readFileSync(file);
  } catch (error) {
    return naming(path, error);
  } finally {
    closeSync(file);
  }
}

/** The system names no file that is open. */
function naming(path: string, error: unknown): never {
  const { syscall, path: of = path } = error as NodeJS.ErrnoException;
  throw syscall === undefined ? error : Object.assign(error as Error, { path: of });
}

function refuseExposed(found: Stats, { path, what, by }: { path: string; what: string; by: number }): void {
  if (isExposed(found, by))
    throw new UserError(`others may get at ${what} in ${path}`, {
      code: 'exposed',
      exitCode: ExitCode.noPermission,
      hint: `Close it with: chmod ${by === ofOthers ? '600' : 'o='} ${path}`,
    });
}

/** All that group and others may have. */
const ofOthers = 0o077;
