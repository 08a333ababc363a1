import { readFileSync } from 'node:fs';
import {
  assertTrust,
  type Equivocation,
  ProtocolError,
  parseAuthorityKey,
  verifyEquivocation,
} from '@postern/protocol/consensus';
import { ExitCode, systemClock, UserError } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { majority, thresholdMistake } from '../client/trust.ts';
import { baseOf } from '../client/url.ts';
import { type AuditOptions, audit } from './audit.ts';
import type { Audited, Evidence, Finding, FindingReason, Proof, Report } from './findings.ts';

interface Options {
  readonly url?: readonly string[];
  readonly proof?: string;
  readonly authority: readonly string[];
  readonly threshold?: number;
  readonly since?: number;
  readonly until?: number;
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
      'Verify every consensus that was ever issued, as one or several authorities and mirrors serve them. Two signed documents where there may be one are printed as a proof as soon as they are found, sixteen times at most, and the exit code is 76.',
    )
    .option('--url <url>', 'authority or mirror; may be given several times', collected(url))
    .option(
      '--proof <file>',
      'verify a proof that a node or a person’s program has kept, in place of a history',
    )
    .requiredOption('--authority <key>', 'verifier key; may be given several times', collected(String))
    .option('--threshold <count>', 'how many must have signed; without it more than half', count)
    .option(
      '--since <epoch>',
      'first epoch whose consensus these authorities had to sign; of earlier ones only digests and order are verified',
      epoch,
    )
    .option('--until <epoch>', 'last epoch whose consensus they had to sign; likewise of later ones', epoch)
    .option('--json', 'print one JSON object, at the end')
    .action(async (options: Options) => {
      const { url = [], proof, since, until, json = false } = options;
      if ((url.length === 0) === (proof === undefined))
        throw new UserError('give either --url or --proof', { exitCode: ExitCode.usage });
      if (proof !== undefined && (since ?? until) !== undefined)
        throw new UserError('--since and --until go with --url', { exitCode: ExitCode.usage });
      if (since !== undefined && until !== undefined && since > until)
        throw new UserError(`--since ${since} is after --until ${until}`, { exitCode: ExitCode.usage });
      if (proof !== undefined) return verifyProof(proof, trustIn(options));
      const onProof = (one: Proof): void => void process.stdout.write(describeProof(one));
      const asked = { ...trustIn(options), ...asking(url, stop), since, until };
      const report = await audit(json ? asked : { ...asked, onProof });
      process.stdout.write(json ? `${JSON.stringify(shown(report))}\n` : describe(report));
      endAs(report, url.length);
    });
}

function asking(
  url: readonly string[],
  signal: AbortSignal,
): Omit<AuditOptions, 'authorities' | 'threshold'> {
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

/** A file as `DirectoryClient` keeps it (spec consensus 10.6). Throws what it comes to. */
function verifyProof(path: string, trust: Pick<AuditOptions, 'authorities' | 'threshold'>): never {
  const proof = readProof(path);
  const verdict = proof && verifyEquivocation(proof, trust);
  if (verdict?.kind !== 'equivocation')
    throw new UserError(`${path} proves nothing: ${verdict?.detail ?? 'it holds no proof'}`, {
      exitCode: ExitCode.dataError,
    });
  const what = whatOf(verdict);
  process.stdout.write(
    `${verdict.signedBy.join(', ')} signed two documents for ${what}: ${verdict.digests.join(' and ')}\n`,
  );
  throw new UserError(signedTwo, {
    exitCode: ExitCode.protocol,
    hint: 'The file proves it to anybody who has the keys of the authorities: publish it.',
  });
}

function readProof(path: string): Equivocation | undefined {
  const isTexts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((one) => typeof one === 'string');
  try {
    const { documents, certificates } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Equivocation>;
    const [one, other, ...more] = isTexts(documents) ? documents : [];
    if (one === undefined || other === undefined || more.length > 0 || !isTexts(certificates))
      return undefined;
    return { documents: [one, other], certificates };
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw new UserError(`${path} cannot be read`, { exitCode: ExitCode.usage, cause });
  }
}

const signedTwo = 'authorities have signed two documents where there may be one';

function whatOf({ of, epochs }: Proof['verdict']): string {
  return of === 'epoch' ? `epoch ${epochs[0]}` : `one place in the log, epochs ${epochs.join(' and ')}`;
}

/** What a consensus is refused for that others had to sign and to count than those who are given. */
const isOfMembers: ReadonlySet<string> = new Set<FindingReason>(['bad-document', 'wrong-count']);
const ofMembers =
  'Have authorities joined or left? Then give --since with the first epoch of those that there are now; earlier consensuses are verified with the keys of those before, and --until.';

/** Throws what the report comes to, unless all is well. */
function endAs({ audited, findings, proofs }: Report, urls: number): void {
  if (proofs.length > 0)
    throw new UserError(signedTwo, {
      exitCode: ExitCode.protocol,
      hint: 'The documents and certificates above prove it to anybody who has the keys of the authorities: publish them.',
    });
  const away = findings.filter(({ reason }) => reason === 'not-served');
  if (away.length < findings.length)
    throw new UserError('the history does not hold: see what was found', {
      exitCode: ExitCode.dataError,
      ...(findings.some(({ reason }) => isOfMembers.has(reason)) && { hint: ofMembers }),
    });
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

/** Without the proofs, which are printed as they are found. */
function describe({ audited, findings }: Report): string {
  return [...audited.map(describeOne), ...findings.map(describeFinding)].join('');
}

function describeOne({ url, authority, size, root, verified, linked, recounted }: Audited): string {
  const counted = recounted === 0 ? '' : `, ${recounted} of them counted again`;
  const more = linked === 0 ? '' : `; ${linked} of other epochs verified for digests and order alone`;
  return `${url}  log of ${authority}: ${verified} of ${size} consensuses hold${counted}, root ${root}${more}\n`;
}

function describeFinding({ url, reason, epoch, detail, evidence }: Finding): string {
  const line = `${url}  ${epoch === undefined ? '' : `epoch ${epoch}: `}${reason}: ${detail}\n`;
  return evidence === undefined ? line : `${line}${describeEvidence(evidence)}`;
}

function describeProof({ urls, documents, certificates, verdict }: Proof): string {
  const signed = documents.map((note, at) => [note, `digest ${verdict.digests[at]}`] as const);
  return `${verdict.signedBy.join(', ')} signed two documents for ${whatOf(verdict)}
${describeNotes('document', signed, urls, certificates)}`;
}

function describeEvidence({ notes, urls, certificates }: Evidence): string {
  return describeNotes(
    'note',
    notes.map((note) => [note, 'as it is signed'] as const),
    urls,
    certificates,
  );
}

function describeNotes(
  kind: string,
  notes: readonly (readonly [signed: string, what: string])[],
  urls: readonly string[],
  certificates: readonly string[],
): string {
  const parts = notes.map(
    ([signed, what], at) => `--- ${kind} ${at + 1}, from ${urls[at]}, ${what}\n${signed}`,
  );
  return `${parts.join('')}--- certificates\n${certificates.join('\n')}--- end\n`;
}

function collected<T>(read: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, read(text)];
}

function url(text: string): string {
  const base = baseOf(text);
  if (base !== undefined) return base;
  throw new InvalidArgumentError('It is not of the form http(s)://host:port/path.');
}

function epoch(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is no number of an epoch.');
  return Number(text);
}

function count(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('It is no count of authorities.');
  return Number(text);
}
