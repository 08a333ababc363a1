import type { Next } from '../spool.ts';

/** Where a relay goes, as a store keeps it. */
export function formatNext(next: Next): string {
  if (next.kind === 'node') return `node:${next.id}`;
  return `domain${next.tlsOptional === true ? '?' : ''}${next.own === true ? '!' : ''}:${next.domain}`;
}

export function parseNext(text: string): Next {
  const [kind = '', rest = ''] = text.split(':', 2);
  if (kind === 'node') return { kind, id: rest };
  const flags = {
    ...(kind.includes('?') && { tlsOptional: true }),
    ...(kind.includes('!') && { own: true }),
  };
  return { kind: 'domain', domain: rest, ...flags };
}
