import { assertTrust, ProtocolError, parseAuthorityKey } from '@postern/protocol/consensus';
import { ExitCode, systemClock, UserError } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { majority, thresholdMistake } from '../client/trust.ts';
import { baseOf } from '../client/url.ts';
import { type AuditOptions, audit } from './audit.ts';
import type { Audited, Finding, Proof, Report } from './findings.ts';

interface Options {
  readonly url: readonly string[];
  readonly authority: readonly string[];
  readonly threshold?: number;
  readonly json?: boolean;
}

/** For one exchange, milliseconds. */
const timeoutMs = 60_000;

/** Consensuses between two lines of progress. */
const stride = 1_000;

export function addAudit(program: Command, stop: AbortSignal): void {
  program
    .command('audit')
    .description(
      'Verify every consensus that was ever issued, as one or several authorities and mirrors serve them. Two signed documents where there may be one are printed as a proof, and the exit code is 76.',
    )
    .requiredOption('--url <url>', 'authority or mirror; may be given several times', collected(url))
    .requiredOption('--authority <key>', 'verifier key; may be given several times', collected(String))
    .option('--threshold <count>', 'how many must have signed; without it more than half', count)
    .option('--json', 'print one JSON object')
    .action(async (options: Options) => {
      const report = await audit({ ...trustIn(options), ...asking(options, stop) });
      process.stdout.write(options.json === true ? `${JSON.stringify(shown(report))}\n` : describe(report));
      endAs(report, options.url.length);
    });
}

function asking({ url }: Options, signal: AbortSignal): Omit<AuditOptions, 'authorities' | 'threshold'> {
  return {
    urls: [...new Set(url)],
    timeoutMs,
    signal,
    now: Math.floor(systemClock.now() / 1_000),
    onProgress(done, of) {
      if (done % stride === 0 && done < of) process.stderr.write(`${done} of ${of} consensuses\n`);
    },
  };
}

function trustIn(options: Options): Pick<AuditOptions, 'authorities' | 'threshold'> {
  const { authority, threshold = majority(authority) } = options;
  const mistake = thresholdMistake({ authorities: authority, threshold });
  if (mistake !== undefined)
    throw new UserError(`--threshold ${threshold} ${mistake}`, { exitCode: ExitCode.usage });
  try {
    const authorities = authority.map(parseAuthorityKey);
    assertTrust({ authorities, threshold });
    return { authorities, threshold };
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new UserError(cause.message, { exitCode: ExitCode.usage, hint: cause.hint, cause });
  }
}

/** Throws what the report comes to, unless all is well. */
function endAs({ audited, findings, proofs }: Report, urls: number): void {
  if (proofs.length > 0)
    throw new UserError('authorities have signed two documents where there may be one', {
      exitCode: ExitCode.protocol,
      hint: 'The documents and certificates above prove it to anybody who has the keys of the authorities: publish them.',
    });
  const away = findings.filter(({ reason }) => reason === 'not-served');
  if (away.length < findings.length)
    throw new UserError('the history does not hold: see what was found', { exitCode: ExitCode.dataError });
  if (away.length > 0 || audited.length < urls)
    throw new UserError('not all of the history could be had', { exitCode: ExitCode.tempFail });
}

function shown({ audited, findings, proofs }: Report): object {
  return {
    audited,
    findings,
    proofs: proofs.map(shownProof),
  };
}

function shownProof({
  verdict: { of, epochs, digests, signedBy },
  urls,
  documents,
  certificates,
}: Proof): object {
  return { of, epochs, digests, signedBy, urls, documents, certificates };
}

function describe({ audited, findings, proofs }: Report): string {
  return [...audited.map(describeOne), ...findings.map(describeFinding), ...proofs.map(describeProof)].join(
    '',
  );
}

function describeOne({ url, authority, size, root, verified, recounted }: Audited): string {
  const counted = recounted === 0 ? '' : `, ${recounted} of them counted again`;
  return `${url}  log of ${authority}: ${verified} of ${size} consensuses hold${counted}, root ${root}\n`;
}

function describeFinding({ url, reason, epoch, detail }: Finding): string {
  return `${url}  ${epoch === undefined ? '' : `epoch ${epoch}: `}${reason}: ${detail}\n`;
}

function describeProof({ urls, documents, certificates, verdict }: Proof): string {
  const what =
    verdict.of === 'epoch'
      ? `epoch ${verdict.epochs[0]}`
      : `one place in the log, epochs ${verdict.epochs.join(' and ')}`;
  const parts = documents.map(
    (signed, at) => `--- document ${at + 1}, from ${urls[at]}, digest ${verdict.digests[at]}\n${signed}`,
  );
  return `${verdict.signedBy.join(', ')} signed two documents for ${what}
${parts.join('')}--- certificates
${certificates.join('\n')}--- end
`;
}

function collected<T>(read: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, read(text)];
}

function url(text: string): string {
  const base = baseOf(text);
  if (base !== undefined) return base;
  throw new InvalidArgumentError('It is not of the form http(s)://host:port/path.');
}

function count(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('It is no count of authorities.');
  return Number(text);
}
