import { isDomain } from '../packet/domain.ts';
import { isLocalPart } from './mailbox.ts';

export type AddressList =
  | { readonly kind: 'addresses'; readonly mailboxes: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: AddressRefusedReason };

export type AddressRefusedReason =
  /** No list of addresses (RFC 5322 section 3.4). */
  | 'malformed-address'
  /** An address of a kind that Postern does not write to: quoted, literal, with a route, or beyond ASCII. */
  | 'unsupported-address';

// spec sealed 8
/**
 * The mailboxes of an address list: single ones and those of groups, with or without names, in order. Comments and names are dropped; a
 * quoted local part that needs no quotes loses them. `value` has one character a byte. The time is linear.
 */
export function parseAddressList(value: string): AddressList {
  const tokens = tokenize(value);
  if (tokens === undefined) return { kind: 'refused', reason: 'malformed-address' };
  const mailboxes: string[] = [];
  let item: Token[] = [];
  let inGroup = false;
  for (const token of [...tokens, { kind: ',' } as const]) {
    const ends = token.kind === ',' || (token.kind === ';' && inGroup);
    if (token.kind === ':' && !inGroup && isPhrase(item) && item.length > 0) {
      [inGroup, item] = [true, []];
    } else if (ends) {
      const found = item.length === 0 ? undefined : mailboxOf(item);
      if (found?.kind === 'refused') return found;
      if (found !== undefined) mailboxes.push(found.mailbox);
      item = [];
      if (token.kind === ';') inGroup = false;
    } else item.push(token);
  }
  return inGroup ? { kind: 'refused', reason: 'malformed-address' } : { kind: 'addresses', mailboxes };
}

type Token =
  | { readonly kind: 'atom' | 'quoted' | 'literal'; readonly text: string }
  | { readonly kind: '<' | '>' | '@' | ',' | ';' | ':' | '.' };

type Item = { readonly kind: 'mailbox'; readonly mailbox: string } | (AddressList & { kind: 'refused' });

function mailboxOf(item: readonly Token[]): Item {
  const open = item.findIndex(({ kind }) => kind === '<');
  if (open === -1) return addrSpec(item);
  if (item.at(-1)?.kind !== '>' || !isPhrase(item.slice(0, open))) return malformed;
  return addrSpec(item.slice(open + 1, -1));
}

function addrSpec(tokens: readonly Token[]): Item {
  const at = tokens.findLastIndex(({ kind }) => kind === '@');
  if (at === -1) return malformed;
  const [local, domain] = [tokens.slice(0, at), tokens.slice(at + 1)];
  if (local.length === 0 || domain.length === 0) return malformed;
  if (local.some(({ kind }) => kind === '@' || kind === ':') || domain.some(({ kind }) => kind === 'literal'))
    return unsupported;
  if (!isWord(local) || !isWord(domain)) return malformed;
  const mailbox = `${textOf(local)}@${textOf(domain).toLowerCase()}`;
  const plain = isLocalPart(textOf(local)) && isDomain(textOf(domain).toLowerCase());
  return plain ? { kind: 'mailbox', mailbox } : unsupported;
}

/** Atoms with dots between them, or one quoted string. */
function isWord(tokens: readonly Token[]): boolean {
  if (tokens.length === 1) return tokens[0]?.kind === 'atom' || tokens[0]?.kind === 'quoted';
  return tokens.length % 2 === 1 && tokens.every(({ kind }, i) => kind === (i % 2 === 0 ? 'atom' : '.'));
}

/** A name in front of an address or a group; unquoted dots are common in it. */
function isPhrase(tokens: readonly Token[]): boolean {
  return tokens.every(({ kind }) => kind === 'atom' || kind === 'quoted' || kind === '.');
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => ('text' in token ? token.text : token.kind)).join('');
}

const malformed = { kind: 'refused', reason: 'malformed-address' } as const;
const unsupported = { kind: 'refused', reason: 'unsupported-address' } as const;

/** Undefined where a character has no place, or something does not end. */
function tokenize(value: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < value.length; ) {
    if (value[at] === '(') {
      const end = endOfComment(value, at);
      if (end === undefined) return undefined;
      at = end;
      continue;
    }
    pieces.lastIndex = at;
    const groups = pieces.exec(value)?.groups;
    if (groups === undefined) return undefined;
    const { blank, atom, quoted, literal, special } = groups;
    if (atom !== undefined) tokens.push({ kind: 'atom', text: atom });
    if (quoted !== undefined) tokens.push({ kind: 'quoted', text: unquote(quoted) });
    if (literal !== undefined) tokens.push({ kind: 'literal', text: literal });
    if (special !== undefined) tokens.push({ kind: special as '<' });
    at += (blank ?? atom ?? quoted ?? literal ?? special ?? '').length;
  }
  return tokens;
}

/** Letters beyond ASCII are let through here (RFC 6532): in a name they do no harm. */
const pieces =
  /(?<blank>[ \t\r\n]+)|(?<atom>[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+)|(?<quoted>"(?:[^"\\]|\\[\s\S])*")|(?<literal>\[[^[\]\\]*\])|(?<special>[<>@,;:.])/y;

function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll('\r\n', '')
    .replace(/\\([\s\S])/g, '$1');
}

function endOfComment(value: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    if (value[at] === '\\') at++;
    else if (value[at] === '(') depth++;
    else if (value[at] === ')' && --depth === 0) return at + 1;
  }
  return undefined;
}
