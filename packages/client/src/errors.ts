import { ExitCode } from '@postern/runtime';

/**
 * What keeps a command from being done.
 *
 * - `no-config`: there is no configuration yet
 * - `no-resolver`: the configuration names nobody who may be asked
 * - `exists`: something is there already and is not replaced unasked
 * - `too-large`: a file or an input is longer than anything of its kind
 * - `bad-file`: a file does not hold what it should
 * - `exposed`: others may read a file that holds a secret
 * - `no-gnupg`: GnuPG or its keyring is not where the configuration says
 * - `no-key`: no key for a mailbox
 * - `key-conflict`, `domain-conflict`: another key or record is pinned already
 * - `wrong-passphrase`: a passphrase is missing or wrong
 * - `no-password`: the password for the author's own gateway is missing
 * - `wrong-use`: arguments that do not go together
 * - `disk`: what has to be kept cannot be written
 * - `interrupted`: the command was ended from outside
 * - `not-handed-over`: a message is in the outbox, and handing it over went wrong
 */
export type ClientErrorCode =
  | 'no-config'
  | 'no-resolver'
  | 'exists'
  | 'bad-file'
  | 'too-large'
  | 'exposed'
  | 'no-gnupg'
  | 'no-key'
  | 'key-conflict'
  | 'domain-conflict'
  | 'wrong-passphrase'
  | 'no-password'
  | 'wrong-use'
  | 'disk'
  | 'interrupted'
  | 'not-handed-over';

const exitCodes: Readonly<Record<ClientErrorCode, number>> = {
  'no-config': ExitCode.config,
  'no-resolver': ExitCode.config,
  exists: ExitCode.failure,
  'bad-file': ExitCode.dataError,
  'too-large': ExitCode.dataError,
  exposed: ExitCode.noPermission,
  'no-gnupg': ExitCode.config,
  'no-key': ExitCode.dataError,
  'key-conflict': ExitCode.dataError,
  'domain-conflict': ExitCode.dataError,
  'wrong-passphrase': ExitCode.noPermission,
  'no-password': ExitCode.noPermission,
  'wrong-use': ExitCode.usage,
  disk: ExitCode.tempFail,
  interrupted: ExitCode.tempFail,
  'not-handed-over': ExitCode.tempFail,
};

/** Something that the person in front can mend. The message says what is wrong, the hint what to do. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  readonly exitCode: number;
  readonly hint?: string;

  constructor(code: ClientErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = exitCodes[code];
    if (options.hint !== undefined) this.hint = options.hint;
  }
}
