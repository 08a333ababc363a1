import { type Mailbox, parseMailbox } from '@postern/mail';
import { ClientError } from '../../errors.ts';
import { fingerprintOf, storedMailbox } from '../certificate.ts';
import type { KeyFiles } from '../files.ts';
import { importKeys } from '../import.ts';
import type { KeyInfo } from '../info.ts';
import type { LookupSource, Offer } from '../pins.ts';
import { type Candidate, candidatesIn } from './candidate.ts';
import type { Looked, Source } from './source.ts';

/**
 * What comes of a look-up:
 *
 * - `new`: a certificate, and none is pinned; it waits to be accepted
 * - `known`: the pinned one; what is new in it was taken. Others beside it wait to be accepted
 * - `changed`: ANOTHER KEY than the pinned one, alone or because that one cannot be used any more; it waits to be accepted
 * - `unvouched`: what the source has without vouching for it; it waits to be accepted
 * - `several`: more than one that could be meant; they wait to be accepted
 * - `unusable`: certificates that cannot be used
 * - `none`: no source has one
 * - `unasked`: no source may be asked, as the configuration is
 * - `failed`: a source could not be asked, so that the next was not
 * - `declined`: the person would not have it looked up
 */
export interface Finding {
  readonly kind:
    | 'new'
    | 'known'
    | 'unvouched'
    | 'changed'
    | 'several'
    | 'unusable'
    | 'none'
    | 'unasked'
    | 'failed'
    | 'declined';
  readonly mailbox: string;
  /** The last source asked. */
  readonly source?: LookupSource;
  readonly candidates: readonly Candidate[];
  /** Fingerprint of what is pinned. */
  readonly pinned?: string;
  /** The mailbox is the person's, and what is pinned their own key: nothing is taken and nothing waits. */
  readonly own?: true;
  /** What each source said, or why it was not asked, in words, in their order. */
  readonly looked: readonly { readonly source: LookupSource; readonly said: string }[];
}

export interface FindOptions {
  /** In place of the configured order. */
  readonly sources?: readonly LookupSource[] | undefined;
  /** Asked before the first source is: of leave to ask, and to pin what comes of it. */
  readonly consent?: () => Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

/** Looks for the certificates of those who are written to. */
export interface Recipients {
  /**
   * Asks the sources in their order, until one has a certificate or fails. Pins nothing new. Throws `wrong-use` for what is no mailbox.
   */
  find(mailbox: string, options?: FindOptions): Promise<Finding>;
  /**
   * Pins what the last look-up found, in place of what was pinned: that only by its fingerprint. Throws `wrong-use` when nothing waits, or
   * nothing with that fingerprint.
   */
  accept(mailbox: string, fingerprint?: string): Promise<Accepted>;
}

export interface Accepted extends KeyInfo {
  /** Fingerprint of the key that was pinned before. */
  readonly replaced?: string;
}

export interface Sources {
  readonly order: readonly LookupSource[];
  /** Those that are configured; nobody is asked beyond them. */
  readonly by: Partial<Readonly<Record<LookupSource, Source>>>;
}

export interface RecipientsOptions {
  readonly files: KeyFiles;
  readonly sources: () => Promise<Sources>;
  now(): Date;
}

export function openRecipients({ files, sources, now }: RecipientsOptions): Recipients {
  return {
    async find(text, options = {}) {
      const { mailbox, parts } = mailboxOrThrow(text);
      const pinned = await files.certificate(mailbox);
      const fingerprint = pinned && fingerprintOf(pinned);
      // An offer is what the last look-up found.
      await files.offers.remove(mailbox);
      const walked = await walk(parts, mailbox, await sources(), options, now());
      const isOwn = fingerprint !== undefined && (await files.secret(fingerprint)) !== undefined;
      const finding = {
        ...walked,
        ...(fingerprint === undefined ? {} : { pinned: fingerprint }),
        ...(isOwn ? { own: true as const } : {}),
      };
      if (finding.source === undefined || finding.candidates.length === 0) return finding;
      const source = finding.source;
      const same = finding.candidates.find((each) => each.fingerprint === fingerprint);
      // A revocation as well.
      if (same !== undefined && !isOwn && same.userIds.length > 0) await take(files, same, source, now());
      const others = othersIn(finding);
      const sameIsGood = same !== undefined && same.flaw === undefined;
      if (isOwn) return { ...finding, kind: sameIsGood ? 'known' : ownKind(others) };
      if (others.length > 0) await files.offers.write(mailbox, others.map(offerOf(source)));
      if (sameIsGood) return { ...finding, kind: 'known' };
      if (others.length === 0) return { ...finding, kind: 'unusable' };
      if (fingerprint !== undefined) return { ...finding, kind: 'changed' };
      if (others.some(({ unvouched }) => unvouched)) return { ...finding, kind: 'unvouched' };
      return { ...finding, kind: others.length === 1 ? 'new' : 'several' };
    },
    async accept(text, fingerprint) {
      const { mailbox } = mailboxOrThrow(text);
      const pinned = await files.certificate(mailbox);
      const before = pinned && fingerprintOf(pinned);
      const offers = (await files.offers.read(mailbox)) ?? [];
      const meant = offers.filter((each) => fingerprint === undefined || each.fingerprint === fingerprint);
      const [offer] = meant;
      if (offer !== undefined && before !== undefined && fingerprint === undefined) {
        const hint = `Name the one that its owner has told you: ${offers.map((each) => each.fingerprint).join(', ')}`;
        throw new ClientError('wrong-use', `a key is pinned for ${mailbox} already: ${before}`, { hint });
      }
      if (offer === undefined || meant.length > 1) throw notOneOf(mailbox, offers, fingerprint);
      const options = { mailboxes: [mailbox], replace: true, source: offer.source };
      const [info] = await importKeys(files, Buffer.from(offer.armored), options, now());
      if (info === undefined) throw new ClientError('bad-file', `no key of ${mailbox} could be taken`);
      return before === undefined || before === info.fingerprint ? info : { ...info, replaced: before };
    },
  };
}

/** No offer is meant, or more than one. */
function notOneOf(mailbox: string, offers: readonly Offer[], fingerprint: string | undefined): ClientError {
  if (offers.length === 0)
    return new ClientError('wrong-use', `no key that was found for ${mailbox} waits to be accepted`, {
      hint: `Look for one: postern keys find ${mailbox}`,
    });
  const waiting = offers.map((each) => each.fingerprint).join(', ');
  return fingerprint === undefined
    ? new ClientError('wrong-use', `several keys of ${mailbox} wait to be accepted`, {
        hint: `Name the one that its owner has told you: ${waiting}`,
      })
    : new ClientError('wrong-use', `no key ${fingerprint} of ${mailbox} waits to be accepted`, {
        hint: `What waits is ${waiting}`,
      });
}

/** What was found beside the pinned key, and can be used: what is vouched for, if any of it is. */
export function othersIn({ candidates, pinned }: Finding): readonly Candidate[] {
  const others = candidates.filter(({ flaw, fingerprint }) => flaw === undefined && fingerprint !== pinned);
  const vouched = others.filter(({ unvouched }) => !unvouched);
  return vouched.length > 0 ? vouched : others;
}

function ownKind(others: readonly Candidate[]): 'changed' | 'unusable' {
  return others.length > 0 ? 'changed' : 'unusable';
}

function offerOf(source: LookupSource): (candidate: Candidate) => Offer {
  return ({ fingerprint, certificate }) => ({ source, fingerprint, armored: certificate.armor() });
}

type Walked = Finding & { readonly kind: 'none' | 'unasked' | 'failed' | 'declined' | 'unusable' };

async function walk(
  parts: Mailbox,
  mailbox: string,
  { order, by }: Sources,
  { sources = order, consent, signal }: FindOptions,
  now: Date,
): Promise<Walked> {
  const looked: Finding['looked'][number][] = [];
  let agreed = consent === undefined;
  let asked = false;
  for (const source of sources) {
    const look = by[source];
    if (look === undefined) {
      looked.push({ source, said: `not asked, since ${whyUnasked[source]}` });
      continue;
    }
    if (!agreed) {
      agreed = (await consent?.()) === true;
      if (!agreed) return { kind: 'declined', mailbox, candidates: [], looked };
    }
    asked = true;
    const answer = await look(parts, signal);
    const judged = await judge(answer, source, mailbox, now);
    looked.push({ source, said: judged.said });
    if (judged.kind !== 'none')
      return { kind: judged.kind, mailbox, source, candidates: judged.candidates, looked };
  }
  return { kind: asked ? 'none' : 'unasked', mailbox, candidates: [], looked };
}

const noResolver = '[dns] says resolver = "none"';
const whyUnasked: Readonly<Record<LookupSource, string>> = {
  dns: noResolver,
  wkd: noResolver,
  keyring: '[keys] names no gnupg',
};

interface Judged {
  readonly kind: 'none' | 'failed' | 'unusable';
  readonly said: string;
  readonly candidates: readonly Candidate[];
}

async function judge(answer: Looked, source: LookupSource, mailbox: string, now: Date): Promise<Judged> {
  if (answer.kind !== 'found') return { kind: answer.kind, said: answer.why, candidates: [] };
  try {
    const all = await candidatesIn(answer.content, mailbox, now);
    // A keyring is everybody's; what a domain has under a mailbox's name is meant for that mailbox.
    const named = source === 'keyring' ? all.filter(({ userIds }) => userIds.length > 0) : all;
    const candidates = named.map((each) =>
      (answer.vouched?.has(each.fingerprint) ?? true) ? each : { ...each, unvouched: true as const },
    );
    if (candidates.length === 0) return { kind: 'none', said: 'no key of the mailbox', candidates };
    const number = candidates.length === 1 ? '1 certificate' : `${candidates.length} certificates`;
    return { kind: 'unusable', said: number, candidates };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { kind: 'failed', said: error.message, candidates: [] };
  }
}

async function take(
  files: KeyFiles,
  { certificate }: Candidate,
  source: LookupSource,
  now: Date,
): Promise<void> {
  await importKeys(files, Buffer.from(certificate.armor()), { source }, now);
}

function mailboxOrThrow(text: string): { mailbox: string; parts: Mailbox } {
  const mailbox = storedMailbox(text);
  const parts = parseMailbox(text);
  if (mailbox !== undefined && parts !== undefined) return { mailbox, parts };
  throw new ClientError('wrong-use', `${text} is no mailbox`, { hint: 'Write it as bob@b.example.' });
}
