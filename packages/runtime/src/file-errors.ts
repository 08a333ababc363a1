import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { ExitCode, UserError } from './errors.ts';

/**
 * What the file system refuses with a path that somebody has chosen: what its user may not do, what is there already, is missing or of another kind, and
 * a disk that is full. As they have to hear of it; nothing for other errors.
 */
export function asFileError(error: unknown): UserError | undefined {
  const { code = '', path, syscall } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || path === undefined) return undefined;
  const [exitCode, message, hint] =
    (syscall === 'mkdir' ? foldersFaults[code] : undefined)?.(path) ?? faults[code]?.(path) ?? [];
  if (exitCode === undefined || message === undefined) return undefined;
  return new UserError(`${message} (${code})`, { exitCode, hint, cause: error });
}

type Fault = (path: string) => [exitCode: ExitCode, message: string, hint: string];

const faults: Readonly<Record<string, Fault>> = {
  EROFS: (path) => [
    ExitCode.noPermission,
    `${path} is where nothing can be written`,
    `Choose another place, or see what is mounted there: findmnt -T ${dirname(path)}`,
  ],
  EACCES: mayNotUse,
  EPERM: mayNotUse,
  EEXIST: (path) => [
    ExitCode.failure,
    `${path} is there already`,
    'It is left as it is. Choose another place, or move it away.',
  ],
  ENOTDIR: (path) => [
    ExitCode.failure,
    `${path} leads through something that is no folder`,
    'Choose another place.',
  ],
  EISDIR: (path) => [ExitCode.failure, `${path} is a folder, not a file`, 'Name a file.'],
  ENOENT: (path) => [
    ExitCode.failure,
    `there is no ${path}`,
    'Correct its name, or see whether it was removed or is still to be made.',
  ],
  ENAMETOOLONG: (path) => [ExitCode.failure, `${path} is too long a name`, 'Choose a shorter one.'],
  ELOOP: (path) => [ExitCode.failure, `${path} is a link that leads nowhere`, 'Choose another place.'],
  ENOSPC: noRoom,
  EDQUOT: noRoom,
};

/** Where a folder is to be made. */
const foldersFaults: Readonly<Record<string, Fault>> = {
  EACCES: mayNotMake,
  EPERM: mayNotMake,
  EEXIST: (path) => [
    ExitCode.failure,
    `${path} is there already, and is no folder`,
    'It is left as it is. Choose another place, or move it away.',
  ],
  ENOENT: (path) => [ExitCode.failure, `no folder can be made at ${path}`, 'Choose another place.'],
};

function mayNotMake(path: string): ReturnType<Fault> {
  const user = userName();
  return [
    ExitCode.noPermission,
    `${user} may not make the folder ${path}`,
    `Choose another, or have it made by root: sudo install -d -o ${user} -m 700 ${path}`,
  ];
}

function mayNotUse(path: string): ReturnType<Fault> {
  return [
    ExitCode.noPermission,
    `${userName()} may not use ${path}`,
    `Choose another place, or run this as the user whose it is: ${asOwner(path)}`,
  ];
}

function noRoom(path: string): ReturnType<Fault> {
  return [
    ExitCode.unavailable,
    `there is no room for ${path}`,
    `Make room, or choose another place: df -h ${dirname(path)}`,
  ];
}

/** What to type to be the user who has a file or socket. */
export function asOwner(path: string): string {
  return `sudo -u "$(stat -c %U ${dirname(path)})" …`;
}

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.geteuid?.() ?? ''}`.trim();
  }
}
