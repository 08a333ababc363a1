import { ExitCode } from '@postern/runtime';
import type { PublicKey } from 'openpgp';
import {
  type Finding,
  fingerprintOf,
  flawOf,
  type Keys,
  type LookupPolicy,
  type LookupSource,
} from '../keys/index.ts';
import type { Problem, ProblemCode, RecipientKey } from '../message.ts';

/** Whether these mailboxes may be looked up now, which shows the resolver and their domains that they are written to. */
export type Consent = (mailboxes: readonly string[]) => Promise<boolean>;

export interface ReaderDeps {
  readonly keys: Keys;
  readonly now: Date;
  readonly lookup: LookupPolicy;
  readonly consent?: Consent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type FoundReader =
  | { readonly kind: 'reader'; readonly certificate: PublicKey; readonly key: RecipientKey }
  | { readonly kind: 'problem'; readonly problem: Problem };

/**
 * The key of each mailbox. What is pinned and can be used is used, and nobody is asked. Else it is looked up, if `mayAsk`: nothing else
 * stands against the message, so that nobody is told of one that does not go.
 */
export async function readersOf(
  mailboxes: readonly string[],
  deps: ReaderDeps,
  mayAsk: boolean,
): Promise<Map<string, FoundReader>> {
  const here = await Promise.all(mailboxes.map(async (each) => [each, await pinned(each, deps)] as const));
  const readers = new Map(here);
  const wanting = here.flatMap(([mailbox, { kind }]) => (kind === 'problem' ? [mailbox] : []));
  if (!mayAsk || deps.lookup === 'never') return readers;
  let answer: Promise<boolean> | undefined;
  const consent = (): Promise<boolean> => {
    answer ??=
      deps.lookup === 'always' ? Promise.resolve(true) : (deps.consent?.(wanting) ?? Promise.resolve(false));
    return answer;
  };
  for (const mailbox of wanting)
    if (!(await deps.keys.owns(mailbox))) readers.set(mailbox, await lookedUp(mailbox, deps, consent));
  return readers;
}

async function pinned(mailbox: string, { keys, now }: ReaderDeps): Promise<FoundReader> {
  const certificate = await keys.certificate(mailbox);
  if (certificate === undefined) return noKey(mailbox);
  const flaw = await flawOf(certificate, now);
  if (flaw === undefined)
    return { kind: 'reader', certificate, key: await keyOf(mailbox, certificate, keys) };
  const hint = `Get a newer one, make sure that it is theirs, and: postern keys import FILE  or look for one: postern keys find ${mailbox}`;
  return problem(mailbox, 'unusable-key', `the key of ${mailbox} ${flaw}`, hint);
}

async function keyOf(
  mailbox: string,
  certificate: PublicKey,
  keys: Keys,
  news?: RecipientKey['news'],
): Promise<RecipientKey> {
  const pin = await keys.pin(mailbox);
  return {
    fingerprint: fingerprintOf(certificate),
    source: (await keys.owns(mailbox)) ? 'own' : (pin?.source ?? 'unknown'),
    ...(pin === undefined ? {} : { since: pin.since }),
    ...(news === undefined ? {} : { news }),
  };
}

async function lookedUp(
  mailbox: string,
  deps: ReaderDeps,
  consent: () => Promise<boolean>,
): Promise<FoundReader> {
  const { keys, signal } = deps;
  const finding = await keys.find(mailbox, { consent, signal });
  const stays = finding.kind === 'none' || finding.kind === 'declined';
  if (stays && finding.pinned !== undefined) return pinned(mailbox, deps);
  const refused = refusalOf(finding);
  if (refused !== undefined) return refused;
  if (finding.kind === 'new')
    await keys.accept(mailbox, finding.candidates.find(({ flaw }) => !flaw)?.fingerprint);
  const reader = await pinned(mailbox, deps);
  if (reader.kind === 'problem') return reader;
  const news = finding.kind === 'new' ? 'pinned-now' : 'refreshed-now';
  return { ...reader, key: await keyOf(mailbox, reader.certificate, keys, news) };
}

const names: Readonly<Record<LookupSource, string>> = {
  dns: 'DNS',
  wkd: 'the Web Key Directory',
  keyring: 'your keyring',
};

/** Why nothing found can be used, and what to do. Nothing where it can. */
export function refusalOf(finding: Finding): Extract<FoundReader, { kind: 'problem' }> | undefined {
  const { mailbox, source = 'dns', candidates } = finding;
  const usable = candidates.filter(({ flaw }) => flaw === undefined).map(({ fingerprint }) => fingerprint);
  const told = finding.looked.map((each) => `${names[each.source]}: ${each.said}`).join('; ');
  switch (finding.kind) {
    case 'new':
    case 'known':
      return undefined;
    case 'changed': {
      const message = `ANOTHER KEY FOR ${mailbox}: pinned is ${finding.pinned}, and ${names[source]} brings ${usable.join(' and ')}`;
      const hint = `Ask the owner by another way which is theirs. Only then: postern keys accept ${mailbox} ${usable[0]}`;
      return problem(mailbox, 'key-changed', message, hint);
    }
    case 'several': {
      const message = `${names[source]} has ${usable.length} keys for ${mailbox}: ${usable.join(', ')}`;
      const hint = `Ask the owner by another way which is theirs, and: postern keys accept ${mailbox} FINGERPRINT`;
      return problem(mailbox, 'several-keys', message, hint);
    }
    case 'unusable': {
      const flaws = candidates.map(({ fingerprint, flaw }) => `${fingerprint} ${flaw}`).join('; ');
      const hint = `Ask the owner for a newer one, or look elsewhere: postern keys find --source SOURCE ${mailbox}`;
      return problem(
        mailbox,
        'unusable-key',
        `${names[source]} has no key of ${mailbox} that can be used: ${flaws}`,
        hint,
      );
    }
    case 'failed': {
      const hint = `Try again later; no other source was asked instead. One alone is asked by: postern keys find --source SOURCE ${mailbox}`;
      const failed = problem(
        mailbox,
        'key-unanswered',
        `the key of ${mailbox} cannot be looked up now: ${told}`,
        hint,
      );
      return { ...failed, problem: { ...failed.problem, exitCode: ExitCode.tempFail } };
    }
    case 'declined': {
      const hint = `Look it up ahead of time: postern keys find ${mailbox}  or now, which shows your resolver and their domain that you write to them: --lookup always`;
      return problem(
        mailbox,
        'no-recipient-key',
        `there is no key of ${mailbox}, and it was not looked up`,
        hint,
      );
    }
    case 'none':
      return noKey(mailbox, told);
  }
}

function noKey(mailbox: string, told = ''): Extract<FoundReader, { kind: 'problem' }> {
  const hint = `Get their certificate, make sure that it is theirs, and: postern keys import FILE  or look for it: postern keys find ${mailbox}`;
  return problem(
    mailbox,
    'no-recipient-key',
    `there is no key of ${mailbox}${told === '' ? '' : ` (${told})`}`,
    hint,
  );
}

function problem(
  mailbox: string,
  code: ProblemCode,
  message: string,
  hint: string,
): Extract<FoundReader, { kind: 'problem' }> {
  return { kind: 'problem', problem: { mailbox, code, message, hint, exitCode: ExitCode.dataError } };
}
