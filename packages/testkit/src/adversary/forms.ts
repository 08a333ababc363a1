import { type Fact, textOf } from './facts.ts';

/** One way in which a fact may stand in bytes. */
export interface Form {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Whether ASCII letters compare without case. */
  readonly folded: boolean;
}

/** Every form of a fact that is searched for as it is. What is wrapped, compressed or nested is unpacked instead. */
export function formsOf(fact: Fact): Form[] {
  const text = textOf(fact);
  const forms = text === undefined ? formsOfBytes(fact.bytes, false) : formsOfText(text);
  const seen = new Set<string>();
  return forms.filter(({ bytes, folded }) => {
    const key = `${folded} ${Buffer.from(bytes).toString('hex')}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function formsOfText(text: string): Form[] {
  const spellings = new Set(
    [text, text.toLowerCase(), text.toUpperCase()].flatMap((one) => [
      one.normalize('NFC'),
      one.normalize('NFD'),
    ]),
  );
  return [...spellings].flatMap((spelling) => [
    ...formsOfBytes(Buffer.from(spelling, 'utf8'), true),
    form('UTF-16', Buffer.from(spelling, 'utf16le')),
    form('UTF-16', Buffer.from(spelling, 'utf16le').swap16()),
    form('percent', ascii(encodeURIComponent(spelling))),
    form('JSON escape', ascii(jsonEscaped(spelling))),
    form('quoted-printable', ascii(quotedPrintable(spelling))),
    ...(/^[\0-\xff]*$/.test(spelling) ? [form('Latin-1', Buffer.from(spelling, 'latin1'))] : []),
  ]);
}

function formsOfBytes(bytes: Uint8Array, text: boolean): Form[] {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
  return [
    { name: 'plain', bytes, folded: text },
    form('hex', ascii(hex.join(''))),
    form('hex', ascii(hex.join(':'))),
    form('hex', ascii(hex.join(' '))),
    form('percent', ascii(hex.map((pair) => `%${pair}`).join(''))),
    form('quoted-printable', ascii(hex.map((pair) => `=${pair}`).join(''))),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ];
}

/** Shorter stretches turn up in random base64; what they stand for is found by decoding. */
const leastBase64 = 8;

/** The characters that `bytes` alone decide when they stand `offset` bytes behind a multiple of three. */
function base64At(bytes: Uint8Array, offset: number): Form[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const sure = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  if (sure.length < leastBase64) return [];
  const urlSafe = sure.replaceAll('+', '-').replaceAll('/', '_');
  return [sure, urlSafe].map((characters) => ({ name: 'base64', bytes: ascii(characters), folded: false }));
}

function quotedPrintable(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => (byte < 0x80 && byte !== 0x3d ? String.fromCharCode(byte) : `=${hexOf(byte)}`))
    .join('');
}

function jsonEscaped(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function hexOf(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

function form(name: string, bytes: Uint8Array): Form {
  return { name, bytes, folded: true };
}

function ascii(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
