import { ExitCode } from '@postern/runtime';

/**
 * What keeps a network from running:
 * - `wrong-use`: options that do not go together, or cannot be done
 * - `folder-in-use`: the folder holds something already
 * - `not-ready`: a process ended, or did not get ready in time
 * - `not-drained`: packets did not come to their end in time
 */
export type TestkitErrorCode = 'wrong-use' | 'folder-in-use' | 'not-ready' | 'not-drained';

const exitCodes: Readonly<Record<TestkitErrorCode, number>> = {
  'wrong-use': ExitCode.usage,
  'folder-in-use': ExitCode.usage,
  'not-ready': ExitCode.unavailable,
  'not-drained': ExitCode.tempFail,
};

export class TestkitError extends Error {
  override readonly name = 'TestkitError';
  readonly code: TestkitErrorCode;
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(code: TestkitErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = exitCodes[code];
    this.hint = options.hint;
  }
}
