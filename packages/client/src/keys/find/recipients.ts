import { type Mailbox, parseMailbox } from '@postern/mail';
import { ClientError } from '../../errors.ts';
import { fingerprintOf, storedMailbox } from '../certificate.ts';
import type { KeyFiles } from '../files.ts';
import { importKeys } from '../import.ts';
import type { KeyInfo } from '../info.ts';
import type { LookupSource } from '../pins.ts';
import { type Candidate, candidatesIn } from './candidate.ts';
import type { Looked, Source } from './source.ts';

/**
 * What comes of a look-up:
 *
 * - `new`: a certificate, and none is pinned; it waits to be accepted
 * - `known`: the pinned one; what is new in it was taken
 * - `changed`: ANOTHER KEY than the pinned one; it waits to be accepted
 * - `several`: more than one that could be meant; they wait to be accepted
 * - `unusable`: certificates that cannot be used
 * - `none`: no source has one
 * - `failed`: a source could not be asked, so that the next was not
 * - `declined`: the person would not have it looked up
 */
export interface Finding {
  readonly kind: 'new' | 'known' | 'changed' | 'several' | 'unusable' | 'none' | 'failed' | 'declined';
  readonly mailbox: string;
  /** The last source asked. */
  readonly source?: LookupSource;
  readonly candidates: readonly Candidate[];
  /** Fingerprint of what is pinned. */
  readonly pinned?: string;
  /** What each source said, in words, in their order. */
  readonly looked: readonly { readonly source: LookupSource; readonly said: string }[];
}

export interface FindOptions {
  /** In place of the configured order. */
  readonly sources?: readonly LookupSource[] | undefined;
  /** Asked before the first question that leaves the machine. */
  readonly consent?: () => Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

/** Looks for the certificates of those who are written to. */
export interface Recipients {
  /**
   * Asks the sources in their order, until one has a certificate or fails. Pins nothing new. Throws `wrong-use` for what is no mailbox.
   */
  find(mailbox: string, options?: FindOptions): Promise<Finding>;
  /** Pins what was found, in place of what was pinned. Throws `wrong-use` when nothing waits, or nothing with that fingerprint. */
  accept(mailbox: string, fingerprint?: string): Promise<KeyInfo>;
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
      const walked = await walk(parts, mailbox, await sources(), options, now());
      const finding = { ...walked, ...(fingerprint === undefined ? {} : { pinned: fingerprint }) };
      if (finding.source === undefined || finding.candidates.length === 0) return finding;
      const same = finding.candidates.find((each) => each.fingerprint === fingerprint);
      const isOwn = fingerprint !== undefined && (await files.secret(fingerprint)) !== undefined;
      if (same !== undefined) {
        // A revocation as well.
        if (!isOwn && same.userIds.length > 0) await take(files, same, finding.source, now());
        return { ...finding, kind: same.flaw === undefined ? 'known' : 'unusable' };
      }
      const usable = finding.candidates.filter(({ flaw }) => flaw === undefined);
      if (usable.length === 0) return { ...finding, kind: 'unusable' };
      const source = finding.source;
      if (!isOwn)
        await files.offers.write(
          mailbox,
          usable.map((each) => ({
            source,
            fingerprint: each.fingerprint,
            armored: each.certificate.armor(),
          })),
        );
      if (fingerprint !== undefined) return { ...finding, kind: 'changed' };
      return { ...finding, kind: usable.length === 1 ? 'new' : 'several' };
    },
    async accept(text, fingerprint) {
      const { mailbox } = mailboxOrThrow(text);
      const offers = (await files.offers.read(mailbox)) ?? [];
      const meant = offers.filter((each) => fingerprint === undefined || each.fingerprint === fingerprint);
      const [offer] = meant;
      if (offer === undefined || meant.length > 1) {
        const waiting = offers.map((each) => each.fingerprint).join(', ');
        const hint =
          waiting === ''
            ? `Look for one: postern keys find ${mailbox}`
            : `Name one by its fingerprint: ${waiting}`;
        throw new ClientError('wrong-use', `there is not exactly one such key of ${mailbox} to accept`, {
          hint,
        });
      }
      const options = { mailboxes: [mailbox], replace: true, source: offer.source };
      const [info] = await importKeys(files, Buffer.from(offer.armored), options, now());
      if (info === undefined) throw new ClientError('bad-file', `no key of ${mailbox} could be taken`);
      await files.offers.remove(mailbox);
      return info;
    },
  };
}

type Walked = Finding & { readonly kind: 'none' | 'failed' | 'declined' | 'unusable' };

async function walk(
  parts: Mailbox,
  mailbox: string,
  { order, by }: Sources,
  { sources = order, consent, signal }: FindOptions,
  now: Date,
): Promise<Walked> {
  const looked: Finding['looked'][number][] = [];
  let agreed = consent === undefined;
  for (const source of sources) {
    const look = by[source];
    if (look === undefined) {
      looked.push({ source, said: 'not configured' });
      continue;
    }
    if (!agreed && source !== 'keyring') {
      agreed = (await consent?.()) === true;
      if (!agreed) return { kind: 'declined', mailbox, candidates: [], looked };
    }
    const answer = await look(parts, signal);
    const judged = await judge(answer, source, mailbox, now);
    looked.push({ source, said: judged.said });
    if (judged.kind !== 'none')
      return { kind: judged.kind, mailbox, source, candidates: judged.candidates, looked };
  }
  return { kind: 'none', mailbox, candidates: [], looked };
}

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
    const candidates = source === 'keyring' ? all.filter(({ userIds }) => userIds.length > 0) : all;
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
