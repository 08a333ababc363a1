import type { DomainRecord } from './record.ts';

// spec dns 2.1
export function formatTags(record: DomainRecord): string {
  return [
    'v=SM1',
    `a=${record.mailbox}`,
    'k=openpgp',
    `fpr=${record.fingerprint}`,
    `kh=${record.certificateDigest}`,
    `tls=${record.tls}`,
    `mix=${record.mix ? 'ok' : 'no'}`,
    `size=${record.maxBytes}`,
    `exp=${record.expires}`,
  ].join('; ');
}

export type Tags =
  | { readonly kind: 'tags'; readonly tags: ReadonlyMap<string, string> }
  | { readonly kind: 'refused'; readonly reason: TagsRefusedReason };

export type TagsRefusedReason = 'malformed-text' | 'unknown-version' | 'repeated-tag';

// spec dns 3.1
/** `name=value` between semicolons, the version first; tags that nobody knows here are kept and harm nothing. */
export function parseTags(text: string): Tags {
  const parts = text.replace(/;[ \t]*$/, '').split(';');
  const pairs = parts.map((part) => /^[ \t]*([a-z][a-z0-9]*)=([\x21-\x3a\x3c-\x7e]*)[ \t]*$/.exec(part));
  const tags = new Map<string, string>();
  for (const pair of pairs) {
    const [, name, value] = pair ?? [];
    if (name === undefined || value === undefined) return { kind: 'refused', reason: 'malformed-text' };
    if (tags.has(name)) return { kind: 'refused', reason: 'repeated-tag' };
    tags.set(name, value);
  }
  const [first] = tags.entries();
  if (first?.[0] !== 'v' || first[1] !== 'SM1') return { kind: 'refused', reason: 'unknown-version' };
  return { kind: 'tags', tags };
}
