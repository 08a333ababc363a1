import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { ExitCode, UserError } from './errors.ts';

/** What the system forbids the user who runs a program, as they have to hear of it; nothing for other errors. */
export function asForbidden(error: unknown): UserError | undefined {
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || path === undefined) return undefined;
  const user = userName();
  const told = (message: string, hint: string): UserError =>
    new UserError(message, { exitCode: ExitCode.noPermission, hint, cause: error });
  if (code === 'EROFS')
    return told(
      `${path} is where nothing can be written (${code})`,
      `Choose another place, or see what is mounted there: findmnt -T ${dirname(path)}`,
    );
  if (code !== 'EACCES' && code !== 'EPERM') return undefined;
  if (syscall === 'mkdir')
    return told(
      `${user} may not make the folder ${path} (${code})`,
      `Choose another, or have it made by root: sudo install -d -o ${user} -m 700 ${path}`,
    );
  return told(
    `${user} may not use ${path} (${code})`,
    `Choose another place, or run this as the user whose it is: sudo -u "$(stat -c %U ${dirname(path)})" …`,
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.geteuid?.() ?? ''}`.trim();
  }
}
