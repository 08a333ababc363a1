import { ExitCode } from '@postern/runtime';

export type AuthorityErrorCode =
  | 'no-key'
  | 'already-there'
  | 'wrong-key'
  | 'wrong-epoch'
  | 'in-use'
  | 'wrong-store'
  | 'store-io';

const exitCodes: Readonly<Record<AuthorityErrorCode, number>> = {
  'no-key': ExitCode.config,
  'already-there': ExitCode.failure,
  'wrong-key': ExitCode.dataError,
  'wrong-epoch': ExitCode.config,
  'in-use': ExitCode.tempFail,
  'wrong-store': ExitCode.dataError,
  'store-io': ExitCode.unavailable,
};

/** A fault that keeps an authority from running. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityError';
  readonly code: AuthorityErrorCode;
  readonly hint: string;
  readonly exitCode: number;

  constructor(code: AuthorityErrorCode, message: string, hint: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCodes[code];
  }
}
