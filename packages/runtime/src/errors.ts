/** Exit codes of every command: the names of BSD's sysexits(3). */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 64,
  dataError: 65,
  unavailable: 69,
  software: 70,
  tempFail: 75,
  protocol: 76,
  noPermission: 77,
  config: 78,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What each says to whoever ran a command, for every program's help. */
export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'something is not as it should be, or is there already: the message says what',
  64: 'wrong use of the command',
  65: 'wrong data',
  69: 'unavailable: waiting alone may not mend it',
  70: 'a fault of the program',
  75: 'not now: try again later',
  76: 'authorities have signed two documents where there may be one: the output is the proof',
  77: 'no permission: for a file, folder or socket, or a passphrase or password is missing or wrong, or others may get at a secret',
  78: 'no configuration, or one that does not hold or does not suffice',
};

/** Something that only the person at the keyboard can mend: the message says what is wrong, the hint what to do. */
export class UserError extends Error {
  override readonly name = 'UserError';
  /** `exposed`: others may get at what is for its owner alone. Of what a running process answers, its own fault's. */
  readonly code: string | undefined;
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(
    message: string,
    options: {
      code?: string | undefined;
      exitCode?: number;
      hint?: string | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.exitCode = options.exitCode ?? ExitCode.failure;
    this.hint = options.hint;
  }
}

/** One mistake in a configuration. */
export interface Mistake {
  /** Where, as a dotted path: `smtp.listen`. */
  readonly path: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

/** A configuration that does not hold: every mistake at once, as far as anybody reads on. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly exitCode: number;
  readonly source: string;
  readonly mistakes: readonly Mistake[];
  readonly hint: string | undefined;

  constructor(
    source: string,
    mistakes: readonly Mistake[],
    options: { cause?: unknown; hint?: string; exitCode?: number } = {},
  ) {
    const told = bounded(mistakes);
    const lines = told.map(({ path, message }) => (path === '' ? `  ${message}` : `  ${path}: ${message}`));
    super(
      `${source} does not hold:\n${lines.join('\n')}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.exitCode = options.exitCode ?? ExitCode.config;
    this.source = source;
    this.mistakes = told;
    this.hint = options.hint;
  }
}

/** A file of something else, read by mistake, has one in every line. */
function bounded(mistakes: readonly Mistake[]): readonly Mistake[] {
  const more = mistakes.length - mostMistakes;
  return more > 0
    ? [
        ...mistakes.slice(0, mostMistakes),
        { path: '', message: `and ${more} more ${more === 1 ? 'mistake' : 'mistakes'}` },
      ]
    : mistakes;
}

const mostMistakes = 100;
