import { ConfigError, type Mistake } from '@postern/runtime';
import { formatHash, type PasswordHash, parseHash } from './hash.ts';
import { localPart } from './name.ts';

/** Authors by local part. */
export type AuthorList = ReadonlyMap<string, PasswordHash>;

/**
 * Reads a file of authors: one `mailbox:hash` a line; empty lines and those that begin with `#` say nothing. Throws
 * `ConfigError` with every mistake and its line, none of which shows what stands there.
 */
export function parseAuthors(text: string, domain: string, source: string): AuthorList {
  const authors = new Map<string, PasswordHash>();
  const mistakes: Mistake[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const wrong = (message: string): void => void mistakes.push({ path: `line ${at + 1}`, message });
    const entry = splitLine(line);
    if (entry === undefined) continue;
    const local = localPart(entry.mailbox, domain);
    const hash = parseHash(entry.hash);
    if (local === undefined)
      wrong(`names no author of ${domain}; write a mailbox of letters, digits and ._+-, and a colon`);
    else if (authors.has(local)) wrong('names an author who has a line already; remove one of them');
    if (hash === undefined) wrong('has no scrypt hash; let `postern-node author set` write the line');
    if (local !== undefined && hash !== undefined) authors.set(local, hash);
  }
  if (mistakes.length > 0) throw new ConfigError(source, mistakes);
  return authors;
}

/** The text with the author's line replaced, added at the end, or without `hash` removed; every other line as it was. */
export function changeAuthors(text: string, domain: string, local: string, hash?: PasswordHash): string {
  const own = (line: string): boolean => localPart(splitLine(line)?.mailbox ?? '', domain) === local;
  const line = hash && `${local}@${domain}:${formatHash(hash)}`;
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const at = lines.findIndex(own);
  if (at >= 0) lines.splice(at, 1, ...(line === undefined ? [] : [line]));
  else if (line !== undefined) lines.push(line);
  return lines.map((one) => `${one}\n`).join('');
}

function splitLine(line: string): { mailbox: string; hash: string } | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  const colon = text.indexOf(':');
  return colon < 0
    ? { mailbox: '', hash: text }
    : { mailbox: text.slice(0, colon), hash: text.slice(colon + 1) };
}
