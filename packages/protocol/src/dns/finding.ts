import { decodeRecord, type RecordRefusedReason } from './decode.ts';
import type { DomainRecord } from './record.ts';

/** What a resolver says to one question. `secure`: DNSSEC proves it. */
export type Asked<R> =
  | {
      readonly kind: 'found';
      readonly secure: boolean;
      readonly records: readonly R[];
      readonly ttlSeconds: number;
    }
  | { readonly kind: 'none'; readonly secure: boolean; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly reason: AskFailure };

export type AskFailure = 'bogus' | 'servfail' | 'timeout' | 'unreachable' | 'malformed' | 'unprovable';

/** What a record rests on: a chain of signatures, that it was the first one seen, or a person who took it from a file. */
export type Voucher = 'dnssec' | 'first-use' | 'pinned';

/** A record in DNS rests on nobody's word. */
type DnsVoucher = Exclude<Voucher, 'pinned'>;

/** A record that was good when it was seen. */
export interface KnownRecord {
  readonly record: DomainRecord;
  readonly vouchedBy: Voucher;
}

export interface Evidence {
  readonly domain: string;
  /** TXT at `_securemail`: the strings of each record. */
  readonly text: Asked<{ readonly strings: readonly string[] }>;
  /** OPENPGPKEY where RFC 7929 puts the mailbox's. */
  readonly certificate: Asked<{ readonly certificate: Uint8Array }>;
  /** The last good one, expired or not. */
  readonly known?: KnownRecord | undefined;
  readonly unsigned: UnsignedPolicy;
  /** Unix seconds. */
  readonly now: number;
}

/** What the author wants done with zones that nothing signs. */
export type UnsignedPolicy = 'refuse' | 'trust-on-first-use';

export type Finding =
  | {
      readonly kind: 'record';
      readonly record: DomainRecord;
      readonly vouchedBy: DnsVoucher;
      readonly ttlSeconds: number;
    }
  /** A good one that takes nobody's place unasked. */
  | {
      readonly kind: 'changed';
      readonly change: Change;
      readonly record: DomainRecord;
      readonly vouchedBy: DnsVoucher;
      readonly known: KnownRecord;
      readonly ttlSeconds: number;
    }
  | { readonly kind: 'does-not-take-part'; readonly secure: boolean; readonly ttlSeconds: number }
  /** There is a record, and nothing vouches for it. */
  | { readonly kind: 'unsigned' }
  /** `lastGood` holds still, for people to see; nothing is sent on the strength of it. */
  | {
      readonly kind: 'temporary';
      readonly reason: TemporaryReason;
      readonly lastGood?: KnownRecord;
    }
  | { readonly kind: 'invalid'; readonly reason: InvalidReason };

export type Change =
  | 'another-key'
  /** Of the same key. */
  | 'another-certificate'
  | 'weaker-tls'
  /** It ends earlier than the one that is known. */
  | 'older';

export type TemporaryReason =
  | AskFailure
  /** A record that holds still is no longer there. */
  | 'vanished'
  /** A record that was signed is no longer. */
  | 'no-longer-signed';

export type InvalidReason = RecordRefusedReason | 'two-texts' | 'no-certificate';

// spec dns 6
/** What an author may make of a domain. No input makes it throw. */
export function findingOf(evidence: Evidence): Finding {
  const { text, certificate, known, now } = evidence;
  const lastGood = known !== undefined && known.record.expires > now ? { lastGood: known } : {};
  const temporary = (reason: TemporaryReason): Finding => ({ kind: 'temporary', reason, ...lastGood });

  if (text.kind === 'failed') return temporary(text.reason);
  const texts = text.kind === 'found' ? textsOf(text.records) : [];
  const [only] = texts;
  if (only === undefined)
    return 'lastGood' in lastGood
      ? temporary('vanished')
      : { kind: 'does-not-take-part', secure: text.secure, ttlSeconds: text.ttlSeconds };
  if (!text.secure && lastGood.lastGood?.vouchedBy === 'dnssec') return temporary('no-longer-signed');
  if (!text.secure && evidence.unsigned === 'refuse') return { kind: 'unsigned' };
  if (texts.length > 1) return { kind: 'invalid', reason: 'two-texts' };
  if (certificate.kind === 'failed') return temporary(certificate.reason);
  if (certificate.kind === 'none')
    return 'lastGood' in lastGood ? temporary('vanished') : { kind: 'invalid', reason: 'no-certificate' };
  const decoded = decodeWithOneOf(
    certificate.records.map((each) => each.certificate),
    only,
    evidence,
  );
  if (decoded.kind === 'refused') return { kind: 'invalid', reason: decoded.reason };
  const found = {
    record: decoded.record,
    vouchedBy: text.secure ? 'dnssec' : 'first-use',
    ttlSeconds: Math.min(text.ttlSeconds, certificate.ttlSeconds, decoded.record.expires - now),
  } as const;
  const change = known && changeOf(known.record, found);
  return known === undefined || change === undefined
    ? { kind: 'record', ...found }
    : { kind: 'changed', change, known, ...found };
}

// spec dns 5.2
/** Those that are meant: a wildcard may have made others of its own. */
function textsOf(records: readonly { readonly strings: readonly string[] }[]): string[] {
  return records
    .map(({ strings }) => strings.join(''))
    .filter((text) => /^v=SM[0-9]+[ \t]*(?:;|$)/.test(text));
}

// spec dns 5.2
/** The text says which certificate is meant, so that two may lie there while one takes the other's place. */
function decodeWithOneOf(
  certificates: readonly Uint8Array[],
  text: string,
  { domain, now }: Evidence,
): ReturnType<typeof decodeRecord> {
  let refused: ReturnType<typeof decodeRecord> = { kind: 'refused', reason: 'digest-mismatch' };
  for (const certificate of certificates) {
    const decoded = decodeRecord({ domain, text, certificate, now });
    if (decoded.kind === 'record') return decoded;
    if (decoded.reason !== 'digest-mismatch') refused = decoded;
  }
  return refused;
}

// spec dns 6.1
function changeOf(
  before: DomainRecord,
  { record, vouchedBy }: { readonly record: DomainRecord; readonly vouchedBy: Voucher },
): Change | undefined {
  if (before.fingerprint !== record.fingerprint) return 'another-key';
  if (vouchedBy === 'dnssec') return undefined;
  if (before.certificateDigest !== record.certificateDigest) return 'another-certificate';
  if (before.tls === 'require' && record.tls === 'prefer') return 'weaker-tls';
  return record.expires < before.expires ? 'older' : undefined;
}
