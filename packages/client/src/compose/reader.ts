import { ExitCode } from '@postern/runtime';
import type { PublicKey } from 'openpgp';
import {
  type Finding,
  fingerprintOf,
  flawOf,
  type Keys,
  type LookupPolicy,
  type LookupSource,
  othersIn,
} from '../keys/index.ts';
import type { Problem, ProblemCode, RecipientKey } from '../message.ts';

/** Whether these mailboxes may be looked up now, which shows the resolver and their domains that they are written to. */
export type Consent = (mailboxes: readonly string[]) => Promise<boolean>;

export interface ReaderDeps {
  readonly keys: Keys;
  readonly now: Date;
  readonly lookup: LookupPolicy;
  /** Whether there is anybody to look a key up with, as the configuration is. */
  readonly findable: boolean;
  /** Whether what is found is pinned; else it is used as an offer alone. */
  readonly pins: boolean;
  readonly consent?: Consent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type FoundReader =
  | {
      readonly kind: 'reader';
      readonly certificate: PublicKey;
      readonly key: RecipientKey;
      /** What the author should know although the message goes; a sentence. */
      readonly warning?: string;
    }
  | { readonly kind: 'problem'; readonly problem: Problem };

/**
 * The key of each mailbox. What is pinned and can be used is used, and nobody is asked. Else it is looked up, if `mayAsk`: nothing else
 * stands against the message, so that nobody is told of one that does not go. The first who stays without a key ends the looking up.
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
  // One's own key is not looked up, so that the message does not go.
  for (const mailbox of wanting) if (await deps.keys.owns(mailbox)) return readers;
  let answer: Promise<boolean> | undefined;
  const consent = (): Promise<boolean> => {
    answer ??=
      deps.lookup === 'always' ? Promise.resolve(true) : (deps.consent?.(wanting) ?? Promise.resolve(false));
    return answer;
  };
  for (const mailbox of wanting) {
    const reader = await lookedUp(mailbox, deps, consent);
    readers.set(mailbox, reader);
    if (reader.kind === 'problem') break;
  }
  return readers;
}

/** `looked`: what a look-up said, if there was one. */
async function pinned(
  mailbox: string,
  { keys, now, findable }: ReaderDeps,
  looked = '',
): Promise<FoundReader> {
  const certificate = await keys.certificate(mailbox);
  if (certificate === undefined) return noKey(mailbox, findable);
  const flaw = await flawOf(certificate, now);
  if (flaw === undefined)
    return { kind: 'reader', certificate, key: await keyOf(mailbox, certificate, keys) };
  const find = looked === '' && findable ? `. Or look for one: postern keys find ${mailbox}` : '';
  const hint = `Get a newer one, make sure that it is theirs, and: postern keys import FILE${find}`;
  return problem(mailbox, 'unusable-key', `the key of ${mailbox} ${flaw}${inBrackets(looked)}`, hint);
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
  if (finding.pinned !== undefined && leavesPinned[finding.kind])
    return pinned(mailbox, deps, finding.kind === 'declined' ? '' : toldBy(finding));
  const refused = refusalOf(finding);
  if (refused !== undefined) return refused;
  const [found] = othersIn(finding);
  if (finding.kind === 'new' && found !== undefined) {
    const { certificate, fingerprint } = found;
    if (!deps.pins) {
      const source = finding.source ?? 'unknown';
      return { kind: 'reader', certificate, key: { fingerprint, source, news: 'found-now' } };
    }
    await keys.accept(mailbox, fingerprint);
  }
  const reader = await pinned(mailbox, deps);
  if (reader.kind === 'problem') return reader;
  const news = finding.kind === 'new' ? 'pinned-now' : 'refreshed-now';
  const beside = besideOf(finding);
  const warning = beside === undefined ? {} : { warning: beside };
  return { ...reader, ...warning, key: await keyOf(mailbox, reader.certificate, keys, news) };
}

/** The look-ups after which the pinned key is all that there is. */
const leavesPinned: Partial<Record<Finding['kind'], true>> = { none: true, unasked: true, declined: true };

const names: Readonly<Record<LookupSource, string>> = {
  dns: 'DNS',
  wkd: 'the Web Key Directory',
  keyring: 'your GnuPG keyring',
};

/** What is said of keys that are there beside the pinned one, which still counts. */
export function besideOf(finding: Finding): string | undefined {
  const others = othersIn(finding).map(({ fingerprint }) => fingerprint);
  if (finding.kind !== 'known' || others.length === 0 || finding.own) return undefined;
  const { mailbox, source = 'dns', pinned } = finding;
  return (
    `${names[source]} has ANOTHER KEY for ${mailbox} beside the pinned one, ${pinned}: ${others.join(' and ')}. ` +
    `The pinned one still counts; ask the owner by another way whether it is being replaced, and only then: ${acceptOne(mailbox, others)}`
  );
}

function acceptOne(mailbox: string, fingerprints: readonly string[]): string {
  const [only] = fingerprints;
  return `postern keys accept ${mailbox} ${fingerprints.length === 1 ? only : 'FINGERPRINT'}`;
}

/** Why nothing found can be used, and what to do. Nothing where it can. `told`: what each source said, left out where it is shown beside. */
export function refusalOf(
  finding: Finding,
  told: string = toldBy(finding),
): Extract<FoundReader, { kind: 'problem' }> | undefined {
  const { mailbox, source = 'dns', candidates } = finding;
  const flawed = candidates.filter(({ flaw }) => flaw !== undefined);
  const usable = othersIn(finding).map(({ fingerprint }) => fingerprint);
  const stays =
    finding.pinned === undefined
      ? ''
      : finding.own
        ? `; yours is ${finding.pinned}`
        : `; ${finding.pinned} stays pinned`;
  switch (finding.kind) {
    case 'new':
    case 'known':
      return undefined;
    case 'changed': {
      const brings = `${names[source]} brings ${usable.join(' and ')}`;
      if (finding.own) {
        const message = `ANOTHER KEY FOR YOUR OWN MAILBOX ${mailbox}: yours is ${finding.pinned}, and ${brings}`;
        const hint = `If that is none of yours, ask the operator of the domain who published it, and publish yours: postern keys export ${mailbox}. If it is yours too, bring its secret key: postern keys import --replace FILE`;
        return problem(mailbox, 'key-changed', message, hint);
      }
      const old = flawed.find(({ fingerprint }) => fingerprint === finding.pinned);
      const state = old === undefined ? '' : `, which ${old.flaw}`;
      const message = `ANOTHER KEY FOR ${mailbox}: pinned is ${finding.pinned}${state}, and ${brings}`;
      const hint = `Ask the owner by another way which is theirs. Only then: ${acceptOne(mailbox, usable)}`;
      return problem(mailbox, 'key-changed', message, hint);
    }
    case 'unvouched': {
      const message = `${names[source]} has ${usable.join(' and ')} for ${mailbox}, which GnuPG does not call valid`;
      const hint = `Ask the owner by another way whether it is theirs, and: ${acceptOne(mailbox, usable)}`;
      return problem(mailbox, 'unvouched-key', message, hint);
    }
    case 'several': {
      const message = `${names[source]} has ${usable.length} keys for ${mailbox}: ${usable.join(', ')}`;
      const hint = `Ask the owner by another way which is theirs, and: ${acceptOne(mailbox, usable)}`;
      return problem(mailbox, 'several-keys', message, hint);
    }
    case 'unusable': {
      const flaws = flawed.map(({ fingerprint, flaw }) => `${fingerprint} ${flaw}`).join('; ');
      const hint = finding.own
        ? publishOwn(finding)
        : `Ask the owner for a newer one, or ask another source: postern keys find --source SOURCE ${mailbox}`;
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
        `the key of ${mailbox} cannot be looked up now${inBrackets(told)}${stays}`,
        hint,
      );
      return { ...failed, problem: { ...failed.problem, exitCode: ExitCode.tempFail } };
    }
    case 'declined': {
      const hint = `Look it up ahead of time: postern keys find ${mailbox}. Or now, which shows your resolver and their domain that you write to them: --lookup always`;
      return problem(
        mailbox,
        'no-recipient-key',
        `there is no key of ${mailbox}, and it was not looked up`,
        hint,
      );
    }
    case 'unasked': {
      const hint =
        stays === '' ? `${getIt}. Or name a resolver in [dns] of your configuration` : pinnedCounts(finding);
      return problem(
        mailbox,
        'no-recipient-key',
        `nobody was asked for a key of ${mailbox}${inBrackets(told)}${stays}`,
        hint,
      );
    }
    case 'none': {
      const hint = stays === '' ? getIt : pinnedCounts(finding);
      return problem(
        mailbox,
        'no-recipient-key',
        `no key of ${mailbox} was found${inBrackets(told)}${stays}`,
        hint,
      );
    }
  }
}

/** What each source said, in words. */
function toldBy({ looked }: Finding): string {
  return looked.map((each) => `${names[each.source]}: ${each.said}`).join('; ');
}

function inBrackets(told: string): string {
  return told === '' ? '' : ` (${told})`;
}

const getIt = 'Get their certificate, make sure that it is theirs, and: postern keys import FILE';

/** What to do where nothing was found beside the pinned key. */
function pinnedCounts(finding: Finding): string {
  if (finding.own) return publishOwn(finding);
  return 'Sending goes by that one. If they have told you of another, get it from them, and: postern keys import --replace FILE';
}

function publishOwn({ mailbox }: Finding): string {
  return `To have it found, give it to the operator of your domain: postern keys export ${mailbox}`;
}

function noKey(mailbox: string, findable: boolean): Extract<FoundReader, { kind: 'problem' }> {
  const hint = findable ? `${getIt}. Or look for it: postern keys find ${mailbox}` : getIt;
  return problem(mailbox, 'no-recipient-key', `there is no key of ${mailbox}`, hint);
}

function problem(
  mailbox: string,
  code: ProblemCode,
  message: string,
  hint: string,
): Extract<FoundReader, { kind: 'problem' }> {
  return { kind: 'problem', problem: { mailbox, code, message, hint, exitCode: ExitCode.dataError } };
}
