/*
 * ASCII armor of OpenPGP messages (RFC 9580 section 6). Written here and not by the library, so that it comes out as bytes with CRLF, says nothing of what
 * made it, and is refused when it has two readings. The checksum is optional, and one that is there is not looked at; it is written because GnuPG 2.2
 * reads on behind the end of armor that has neither a checksum nor padding.
 */

import { crc24 } from './crc24.ts';

export function encodeArmor(bytes: Uint8Array): Uint8Array {
  const head = ascii(`${begin}\r\n\r\n`);
  const tail = ascii(`${end}\r\n`);
  const lines = Math.ceil(bytes.length / lineBytes);
  const characters = Math.ceil(bytes.length / 3) * 4;
  const armored = new Uint8Array(head.length + characters + 2 * lines + checksumLength + tail.length);
  armored.set(head);
  let to = head.length;
  for (let at = 0; at < bytes.length; at += lineBytes) {
    to = encodeLine(bytes.subarray(at, at + lineBytes), armored, to);
    to = endLine(armored, to);
  }
  const crc = crc24(bytes);
  armored[to++] = PAD;
  to = encodeLine(Uint8Array.of(crc >> 16, (crc >> 8) & 255, crc & 255), armored, to);
  to = endLine(armored, to);
  armored.set(tail, to);
  return armored;
}

/**
 * The bytes of the one armored message that a text with CRLF line ends consists of, but for some blank lines around it. Undefined for anything else: two
 * messages, missing padding, other characters, too many lines that say nothing.
 */
export function decodeArmor(text: Uint8Array): Uint8Array | undefined {
  const lines = new Lines(text);
  if (lines.skipBlank() !== begin) return undefined;
  let count = 0;
  for (let line = lines.next(); line !== ''; line = lines.next()) {
    if (line === undefined || ++count > mostLines || !/^[\x21-\x39\x3b-\x7e]+: ?[^\0]*$/.test(line))
      return undefined;
  }
  const found = decodeLines(text, lines.position);
  if (found === undefined) return undefined;
  lines.position = found.end;
  if (lines.peek()?.startsWith('=') === true && !/^=[A-Za-z0-9+/]{4}$/.test(lines.next() ?? ''))
    return undefined;
  return lines.next() === end && lines.skipBlank() === undefined ? found.bytes : undefined;
}

const begin = '-----BEGIN PGP MESSAGE-----';
const end = '-----END PGP MESSAGE-----';
/** RFC 9580 section 6.2 allows lines of up to 76 characters; most programs write 64. */
const lineBytes = 48;
/** `=`, four characters, and the line's end. */
const checksumLength = 7;
const alphabet = ascii('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const CR = 13;
const LF = 10;
const PAD = 61;

function encodeLine(bytes: Uint8Array, out: Uint8Array, start: number): number {
  let to = start;
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const bits = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    out[to++] = alphabet[bits >> 18] ?? 0;
    out[to++] = alphabet[(bits >> 12) & 63] ?? 0;
    out[to++] = left > 1 ? (alphabet[(bits >> 6) & 63] ?? 0) : PAD;
    out[to++] = left > 2 ? (alphabet[bits & 63] ?? 0) : PAD;
  }
  return to;
}

function endLine(out: Uint8Array, start: number): number {
  out[start] = CR;
  out[start + 1] = LF;
  return start + 2;
}

/** All lines of base64 from `start`; `end` is where the first other line begins. */
function decodeLines(text: Uint8Array, start: number): { bytes: Uint8Array; end: number } | undefined {
  const bytes = new Uint8Array(Math.floor(((text.length - start) * 3) / 4) + 3);
  let to = 0;
  let bits = 0;
  let count = 0;
  let pads = 0;
  let at = start;
  let lineAt = start;
  for (; at < text.length; at++) {
    const byte = text[at] ?? 0;
    const value = values[byte] ?? 255;
    if (value < 64) {
      if (pads > 0) return undefined;
      bits = ((bits << 6) | value) & 0xffffff;
      if (++count % 4 === 0) {
        bytes[to++] = bits >> 16;
        bytes[to++] = (bits >> 8) & 255;
        bytes[to++] = bits & 255;
      }
    } else if (byte === PAD && at !== lineAt) {
      pads++;
    } else if (byte === LF) {
      lineAt = at + 1;
    } else if (byte !== CR && byte !== 32 && byte !== 9) {
      break;
    } else if (byte === CR && text[at + 1] !== LF) {
      return undefined;
    }
  }
  const loose = count % 4;
  if (at !== lineAt || loose === 1 || pads !== (4 - loose) % 4) return undefined;
  if (loose === 2) {
    if ((bits & 15) !== 0) return undefined;
    bytes[to++] = (bits >> 4) & 255;
  }
  if (loose === 3) {
    if ((bits & 3) !== 0) return undefined;
    bytes[to++] = (bits >> 10) & 255;
    bytes[to++] = (bits >> 2) & 255;
  }
  return { bytes: bytes.subarray(0, to), end: lineAt };
}

const values = new Uint8Array(256).fill(255);
alphabet.forEach((character, value) => {
  values[character] = value;
});

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Lines without their CRLF and trailing blanks. */
class Lines {
  readonly #text: Uint8Array;
  position = 0;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  next(): string | undefined {
    const line = this.peek();
    const feed = this.#text.indexOf(LF, this.position);
    this.position = feed === -1 ? this.#text.length : feed + 1;
    return line;
  }

  peek(): string | undefined {
    if (this.position >= this.#text.length) return undefined;
    const feed = this.#text.indexOf(LF, this.position);
    const line = this.#text.subarray(this.position, feed === -1 ? this.#text.length : feed);
    return String.fromCharCode(...line.subarray(0, longestLine)).trimEnd();
  }

  /** The first line that is not blank; a blank one when too many are. */
  skipBlank(): string | undefined {
    let line = this.next();
    for (let count = 1; line === '' && count <= mostLines; count++) line = this.next();
    return line;
  }
}

/** Blank lines in front of the armor, behind it, and its headers: each line costs far more than a byte of data. */
const mostLines = 100;

/** Longer ones are no armor: what is compared is cut. */
const longestLine = 1024;
