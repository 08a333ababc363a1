import { isMailbox } from './mailbox.ts';

export type AddressList =
  | { readonly kind: 'addresses'; readonly mailboxes: readonly string[] }
  | {
      readonly kind: 'refused';
      readonly reason: AddressRefusedReason;
      /** The entry that it is about, as it is written; a character for each byte. */
      readonly entry: string;
    };

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
  if (tokens === undefined) return { kind: 'refused', reason: 'malformed-address', entry: value.trim() };
  const mailboxes: string[] = [];
  let item: Token[] = [];
  let inGroup = false;
  for (const token of [...tokens, comma(value.length)]) {
    const ends = token.kind === ',' || (token.kind === ';' && inGroup);
    if (token.kind === ':') {
      if (inGroup || item.length === 0 || !isPhrase(item)) return colonIn([...item, token], value);
      inGroup = true;
      item = [];
    } else if (!ends) {
      item.push(token);
    } else if (item.length > 0) {
      const found = mailboxOf(item);
      if (found.kind !== 'mailbox') return refuse(found.kind, item, value);
      mailboxes.push(found.mailbox);
      item = [];
    }
    if (token.kind === ';') inGroup = false;
  }
  return inGroup
    ? { kind: 'refused', reason: 'malformed-address', entry: value.trim() }
    : { kind: 'addresses', mailboxes };
}

interface Token {
  readonly kind: 'atom' | 'quoted' | 'literal' | '<' | '>' | '@' | ',' | ';' | ':' | '.';
  /** What it stands for. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** What ends the last entry. */
function comma(at: number): Token {
  return { kind: ',', text: '', start: at, end: at };
}

/** A colon that opens no group stands in a route, or is a mistake. */
function colonIn(item: readonly Token[], value: string): AddressList {
  const inBrackets = item.some(({ kind }) => kind === '<');
  return refuse(inBrackets ? 'unsupported-address' : 'malformed-address', item, value);
}

function refuse(reason: AddressRefusedReason, item: readonly Token[], value: string): AddressList {
  return { kind: 'refused', reason, entry: value.slice(item[0]?.start, item.at(-1)?.end) };
}

type Item = { readonly kind: 'mailbox'; readonly mailbox: string } | { readonly kind: AddressRefusedReason };

function mailboxOf(item: readonly Token[]): Item {
  const open = item.findIndex(({ kind }) => kind === '<');
  if (open === -1) return addrSpec(item);
  if (item.at(-1)?.kind !== '>' || !isPhrase(item.slice(0, open))) return { kind: 'malformed-address' };
  return addrSpec(item.slice(open + 1, -1));
}

function addrSpec(tokens: readonly Token[]): Item {
  const at = tokens.findLastIndex(({ kind }) => kind === '@');
  const [local, domain] = [tokens.slice(0, at), tokens.slice(at + 1)];
  if (at < 1 || domain.length === 0) return { kind: 'malformed-address' };
  if (domain.some(({ kind }) => kind === 'literal')) return { kind: 'unsupported-address' };
  if (!isWord(local) || !isWord(domain)) return { kind: 'malformed-address' };
  const [localPart, name] = [textOf(local), textOf(domain).toLowerCase()];
  const mailbox = `${localPart}@${name}`;
  return isMailbox(mailbox) ? { kind: 'mailbox', mailbox } : { kind: 'unsupported-address' };
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
  return tokens.map(({ text }) => text).join('');
}

/** Undefined where a character has no place, or something does not end. */
function tokenize(value: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let start = 0; start < value.length; ) {
    const end = value[start] === '(' ? endOfComment(value, start) : undefined;
    pieces.lastIndex = start;
    const groups = pieces.exec(value)?.groups;
    if (end === undefined && groups === undefined) return undefined;
    const { atom, quoted, literal, special } = groups ?? {};
    const text = quoted === undefined ? (atom ?? literal ?? special) : unquote(quoted);
    const next = end ?? pieces.lastIndex;
    const kind = special ?? (atom && 'atom') ?? (quoted && 'quoted') ?? (literal && 'literal');
    if (text !== undefined) tokens.push({ kind: kind as Token['kind'], text, start, end: next });
    start = next;
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
