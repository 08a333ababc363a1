import { DnsError } from './errors.ts';

/**
 * A name as text in one spelling: lower case, every label followed by a dot, `\DDD` for octets that are not printable, for the dot
 * inside a label and for the backslash (RFC 4343 section 2.1). So two names are equal when their texts are, and splitting at dots
 * gives labels.
 */
export type Name = string;

export const root: Name = '.';

/** From what people write. Throws `DnsError` `wrong-name`. */
export function parseName(text: string): Name {
  const labels = text.replace(/\.$/, '').split('.');
  const octets = labels.reduce((sum, label) => sum + label.length + 1, 1);
  const printable = labels.every((label) => /^[\x21-\x2d\x2f-\x5b\x5d-\x7e]{1,63}$/.test(label));
  if (text === '.') return root;
  if (!printable || octets > mostOctets)
    throw new DnsError('wrong-name', `${JSON.stringify(text)} is no domain name`);
  return `${labels.join('.').toLowerCase()}.`;
}

/** The first label first; none for the root. */
export function labelsOf(name: Name): string[] {
  return name === root ? [] : name.slice(0, -1).split('.');
}

function nameOf(labels: readonly string[]): Name {
  return labels.length === 0 ? root : `${labels.join('.')}.`;
}

/** The last `count` labels. */
export function suffix(name: Name, count: number): Name {
  const labels = labelsOf(name);
  return nameOf(labels.slice(Math.max(0, labels.length - count)));
}

export function isAtOrBelow(name: Name, ancestor: Name): boolean {
  return ancestor === root || name === ancestor || name.endsWith(`.${ancestor}`);
}

/** Canonical order (RFC 4034 section 6.1): label by label from the right, as octets. */
export function compareNames(one: Name, other: Name): number {
  const [left, right] = [one, other].map((name) => labelsOf(name).map(octetsOf).reverse()) as [
    Buffer[],
    Buffer[],
  ];
  for (const [at, label] of left.entries()) {
    const against = right[at];
    if (against === undefined) return 1;
    const order = Buffer.compare(label, against);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** Uncompressed, as RFC 4034 section 6.2 signs it. */
export function nameToWire(name: Name): Buffer {
  const labels = labelsOf(name).map(octetsOf);
  return Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
}

/** `undefined` for what is no name. `next` is where the name ends at the place where it began. */
export function readName(
  message: Uint8Array,
  offset: number,
): { readonly name: Name; readonly next: number } | undefined {
  const labels: string[] = [];
  let octets = 1;
  let next: number | undefined;
  let jumps = 0;
  for (let at = offset; ; ) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length === 0) return { name: nameOf(labels), next: next ?? at + 1 };
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) return undefined;
      const target = ((length & 0x3f) << 8) | low;
      jumps += 1;
      // Only backwards (RFC 1035 section 4.1.4), so that there is no loop; and not for ever.
      if (target >= at || jumps > mostJumps) return undefined;
      next ??= at + 2;
      at = target;
      continue;
    }
    octets += length + 1;
    if (length > 63 || at + 1 + length > message.length || octets > mostOctets) return undefined;
    labels.push(textOf(message.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
}

const mostOctets = 255;
const mostJumps = 64;

function textOf(label: Uint8Array): string {
  return Array.from(label, (octet) => {
    const character = String.fromCharCode(octet).toLowerCase();
    return octet > 0x20 && octet < 0x7f && character !== '.' && character !== '\\'
      ? character
      : `\\${String(octet).padStart(3, '0')}`;
  }).join('');
}

function octetsOf(label: string): Buffer {
  return Buffer.from(
    label.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number(digits))),
    'latin1',
  );
}
