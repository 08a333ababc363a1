import { type Endpoint, formatEndpoint, type SocketPath } from './config.ts';
import { ExitCode, UserError } from './errors.ts';

interface ListenFailure {
  /** What does not come about: `mail cannot be taken`. */
  readonly what: string;
  readonly at: Endpoint | SocketPath;
  /** Where the address stands: `listen in [smtp]`. */
  readonly setting: string;
  /** What the system threw. */
  readonly cause: unknown;
}

/** An address that cannot be had, as whoever wrote it down has to hear of it. */
export function cannotListen({ what, at, setting, cause }: ListenFailure): UserError {
  const where = 'path' in at ? `unix:${at.path}` : formatEndpoint(at);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  return new UserError(`${what} on ${where}: ${code}`, {
    exitCode: ExitCode.unavailable,
    hint: `${reasons[code] ?? ''}Correct ${setting}.`,
    cause,
  });
}

const noAddress = 'That name has no address at present. ';

/** Of the system's errors, https://man7.org/linux/man-pages/man7/ip.7.html. */
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program has it: stop that, or have this one elsewhere. ',
  EADDRNOTAVAIL: 'This machine has no such address. ',
  EACCES:
    'This user may not have it: of ports that is so below 1024, unless its unit has AmbientCapabilities=CAP_NET_BIND_SERVICE. ',
  ENOTFOUND: noAddress,
  EAI_AGAIN: noAddress,
};
