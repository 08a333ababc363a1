import type { ConsensusRefusal } from '@postern/protocol/consensus';
import { ExitCode } from '@postern/runtime';
import type { RegisterRefusal } from '../registration.ts';

/**
 * What whoever answers a reader, or keeps answers from it, can bring about at any time, and what passes: a consensus that is valid outlasts it. Not
 * `fork`, which nobody can bring about without the authorities' signatures, and nothing that is wrong here, such as a memory that cannot be written.
 */
const outages = [
  'rollback',
  'clock',
  'bad-signature',
  'unknown-algorithm',
  'repeated-signatures',
  'too-few-signatures',
  'wrong-geometry',
  'unknown-version',
  'log-unavailable',
  'stale',
  'not-yet-valid',
  'malformed',
  'oversized',
  'no-consensus',
  'unreachable',
] as const;

/** Why there is no consensus to use, most telling first. */
const refusals: readonly ['fork', ...typeof outages] = ['fork', ...outages];

export type DirectoryRefusal = (typeof refusals)[number];
export type DirectoryErrorCode = DirectoryRefusal | 'not-published' | 'wrong-configuration' | 'wrong-cache';

/** What one URL answered that is of no use. */
export interface Failure {
  readonly url: string;
  readonly reason: DirectoryRefusal;
  readonly detail: string;
  /** Of a `fork`: the document, and those that it was held against, as far as they were fetched with it. */
  readonly documents?: readonly string[];
}

/** Why one URL has not taken a descriptor. */
export interface Untaken extends Failure {
  /** Its own reason, if it has refused it. */
  readonly refusal?: RegisterRefusal;
  /** Of HTTP, if it has answered. */
  readonly status?: number;
}

const askForHelp = 'Nothing is sent until this is cleared up. Ask the people who run the authorities.';

const hints: Readonly<Record<DirectoryErrorCode, string>> = {
  fork: `The authorities have signed two documents for one epoch, or a second history: someone may be shown a network of their own. ${askForHelp}`,
  rollback: `Older documents than one seen before are being served. ${askForHelp}`,
  'bad-signature':
    'What is served was altered, or is another network’s. Check directory.urls and directory.authorities in the configuration file.',
  'unknown-algorithm': 'Authorities sign by an algorithm that is newer than this program. Update it.',
  'repeated-signatures':
    'An authority counts once, however often it signs. Whoever serves this passes off one authority as several: check directory.urls in the configuration file, and ask the people who run the authorities.',
  'too-few-signatures':
    'Check the authorities’ keys and the threshold in the configuration against what the network publishes. If those are right, authorities have not made new signing keys in time: ask the people who run them.',
  'wrong-geometry': 'The network has changed its packets. Update this program.',
  'unknown-version': 'The network speaks a newer version. Update this program.',
  'log-unavailable':
    'The newest consensus cannot be tied to the last one that was seen here, so it is not used. Try again later, or add another URL to directory.urls: the log of any mirror will do.',
  stale:
    'The authorities have published nothing for a while, or this machine’s clock is wrong. Check the clock, then try again later.',
  clock:
    'Set this machine’s clock. Nothing is used until then: compare it with some clock of your own, not with what the directories say alone.',
  'not-yet-valid': 'Check this machine’s clock: it seems to be behind.',
  malformed: 'What is served is no consensus. Check directory.urls in the configuration file.',
  oversized: 'What is served is no consensus. Check directory.urls in the configuration file.',
  'no-consensus': 'The authorities are still waiting for nodes to register. Try again in a while.',
  unreachable: 'Check the network connection, and directory.urls in the configuration file.',
  'not-published': 'Check what each URL said. Until one accepts it, the network does not know of this node.',
  'wrong-configuration': 'Correct [directory] in the configuration.',
  'wrong-cache':
    'Check the folder’s permissions and the disk. Deleting it gives up the memory that protects against old documents.',
};

const exitCodes: Readonly<Partial<Record<DirectoryErrorCode, number>>> = {
  unreachable: ExitCode.tempFail,
  'no-consensus': ExitCode.tempFail,
  'log-unavailable': ExitCode.tempFail,
  stale: ExitCode.tempFail,
  'not-published': ExitCode.tempFail,
  'wrong-configuration': ExitCode.config,
};

/** There is no consensus that may be used, or a descriptor could not be published. */
export class DirectoryError extends Error {
  override readonly name = 'DirectoryError';
  readonly code: DirectoryErrorCode;
  readonly hint: string;
  readonly exitCode: number;
  /** Of `not-published`: what each URL said. */
  readonly untaken: readonly Untaken[];
  /** What each URL gave in place of what was asked for. */
  readonly failures: readonly Failure[];

  constructor(
    code: DirectoryErrorCode,
    message: string,
    options: { cause?: unknown; untaken?: readonly Untaken[]; failures?: readonly Failure[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.untaken = options.untaken ?? [];
    this.failures = options.failures ?? [];
    this.code = code;
    this.hint = hints[code];
    this.exitCode = exitCodes[code] ?? ExitCode.unavailable;
  }
}

/** Whether a consensus that is valid serves on after this. */
export function isOutage(error: unknown): error is DirectoryError {
  return error instanceof DirectoryError && outages.some((code) => code === error.code);
}

/** The error that several failures come to: coded by the most telling, each told. */
export function errorOf(what: string, failures: readonly Failure[]): DirectoryError {
  const code =
    refusals.find((reason) => failures.some((failure) => failure.reason === reason)) ?? 'unreachable';
  return new DirectoryError(code, `${what}: ${describeFailures(failures)}`, { failures });
}

export function describeFailures(failures: readonly Failure[]): string {
  return failures.map(({ url, detail }) => `${url}: ${detail}`).join('; ');
}

/** A refused document as a failure's reason. */
export function reasonOf(refusal: ConsensusRefusal): DirectoryRefusal {
  return refusal === 'expired' ? 'stale' : refusal;
}
