import { encodeHex } from '../codec/hex.ts';
import { sha256 } from '../primitives/index.ts';
import { type CertificateRefusedReason, inspectCertificate } from './certificate.ts';
import type { DomainRecord } from './record.ts';
import { parseTags, type TagsRefusedReason } from './tags.ts';

export type DecodedRecord =
  | { readonly kind: 'record'; readonly record: DomainRecord }
  | { readonly kind: 'refused'; readonly reason: RecordRefusedReason };

export type RecordRefusedReason =
  | TagsRefusedReason
  | 'missing-tag'
  /** The value of that tag is none that it can have. */
  | `wrong-${TagName}`
  | 'expired'
  /** The certificate is not the one whose digest the text gives. */
  | 'digest-mismatch'
  | 'fingerprint-mismatch'
  | CertificateRefusedReason;

// spec dns 3
/** `now`: Unix seconds. */
export function decodeRecord(p: {
  readonly domain: string;
  readonly text: string;
  readonly certificate: Uint8Array;
  readonly now: number;
}): DecodedRecord {
  const { domain, certificate } = p;
  const parsed = parseTags(p.text);
  if (parsed.kind === 'refused') return parsed;
  const flaw = tagNames
    .map((name) => flawOf(name, parsed.tags.get(name)))
    .find((found) => found !== undefined);
  if (flaw !== undefined) return { kind: 'refused', reason: flaw };
  const tag = (name: TagName): string => parsed.tags.get(name) ?? '';
  const expires = Number(tag('exp'));
  if (expires <= p.now) return { kind: 'refused', reason: 'expired' };
  if (encodeHex(sha256(certificate)) !== tag('kh')) return { kind: 'refused', reason: 'digest-mismatch' };
  const inspected = inspectCertificate(certificate, domain);
  if (inspected.kind === 'refused') return inspected;
  if (inspected.fingerprint !== tag('fpr')) return { kind: 'refused', reason: 'fingerprint-mismatch' };
  return {
    kind: 'record',
    record: {
      domain,
      mailbox: 'secure',
      fingerprint: tag('fpr'),
      certificateDigest: tag('kh'),
      tls: tag('tls') === 'require' ? 'require' : 'prefer',
      mix: tag('mix') === 'ok',
      maxBytes: Number(tag('size')),
      expires,
      certificate,
    },
  };
}

type TagName = 'a' | 'k' | 'fpr' | 'kh' | 'tls' | 'mix' | 'size' | 'exp';

// spec dns 2.1
const values: Readonly<Record<TagName, RegExp>> = {
  a: /^secure$/,
  k: /^openpgp$/,
  fpr: /^[0-9a-f]{40}$/,
  kh: /^[0-9a-f]{64}$/,
  tls: /^(?:require|prefer)$/,
  mix: /^(?:ok|no)$/,
  size: /^[1-9][0-9]{0,9}$/,
  exp: /^[1-9][0-9]{0,9}$/,
};

const tagNames = Object.keys(values) as TagName[];

function flawOf(name: TagName, value: string | undefined): 'missing-tag' | `wrong-${TagName}` | undefined {
  if (value === undefined) return 'missing-tag';
  return values[name].test(value) ? undefined : `wrong-${name}`;
}
