import { constants, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';

/** Bytes found inside other bytes, and how. */
export interface Unpacked {
  readonly how: string;
  readonly bytes: Buffer;
}

/**
 * Everything that `data` may hold in packed form: base64 (with line ends between, at each of the four starts), hex, quoted-printable
 * and percent text decoded; gzip, zlib, zstd and raw deflate streams inflated, cut or damaged ones as far as they go.
 */
export function* unpack(data: Buffer): Generator<Unpacked> {
  const text = data.toString('latin1');
  yield* base64In(text);
  yield* hexIn(text);
  yield* escapesIn(text);
  yield* compressedIn(data);
}

/** `\n` in JSON and in logs stands for a line end, too. */
const lineEnd = String.raw`(?:\r?\n[ \t]*|\\r\\n|\\n)`;
const base64Run = new RegExp(`[A-Za-z0-9+/_-]{4,}(?:${lineEnd}?[A-Za-z0-9+/_-]+)*`, 'g');
const leastBase64 = 16;

function* base64In(text: string): Generator<Unpacked> {
  for (const [run] of text.matchAll(base64Run)) {
    if (run.length < leastBase64) continue;
    const characters = run.replaceAll(new RegExp(lineEnd, 'g'), '');
    for (let start = 0; start < 4; start++)
      yield { how: 'base64', bytes: Buffer.from(characters.slice(start), 'base64') };
  }
}

function* hexIn(text: string): Generator<Unpacked> {
  // of digits, not of pairs: one that stands before by chance must not cost the last
  for (const [run] of text.matchAll(/[0-9A-Fa-f](?:[: ]?[0-9A-Fa-f]){15,}/g)) {
    const digits = run.replaceAll(/[: ]/g, '');
    for (let start = 0; start < 2; start++)
      yield { how: 'hex', bytes: Buffer.from(digits.slice(start), 'hex') };
  }
}

function* escapesIn(text: string): Generator<Unpacked> {
  for (const [run] of text.matchAll(/[\t\r\n\x20-\x7e]{8,}/g)) {
    if (/=(?:[0-9A-Fa-f]{2}|\r?\n)/.test(run))
      yield { how: 'quoted-printable', bytes: hexEscapes(run.replaceAll(/=[ \t]*\r?\n/g, ''), '=') };
    if (/%[0-9A-Fa-f]{2}/.test(run)) yield { how: 'percent', bytes: hexEscapes(run, '%') };
  }
}

function hexEscapes(text: string, mark: string): Buffer {
  const escaped = new RegExp(`${mark}([0-9A-Fa-f]{2})`, 'g');
  const plain = text.replaceAll(escaped, (_, pair: string) => String.fromCharCode(Number.parseInt(pair, 16)));
  return Buffer.from(plain, 'latin1');
}

const mostInflated = 32 * 1024 * 1024;

type Inflate = (data: Buffer, options: { finishFlush: number; maxOutputLength: number }) => Buffer;

function* compressedIn(data: Buffer): Generator<Unpacked> {
  for (const { how, inflate, starts } of streams) {
    for (const start of starts(data)) {
      const bytes = inflated(data.subarray(start), inflate);
      if (bytes.length >= 4) yield { how, bytes };
    }
  }
}

const streams: readonly {
  readonly how: string;
  readonly inflate: (data: Buffer, most: number) => Buffer;
  readonly starts: (data: Buffer) => Iterable<number>;
}[] = [
  { how: 'gzip', inflate: leniently(gunzipSync), starts: (data) => all(data, Buffer.from([0x1f, 0x8b, 8])) },
  { how: 'zlib', inflate: leniently(inflateSync), starts: zlibStarts },
  { how: 'deflate', inflate: leniently(inflateRawSync), starts: deflateStarts },
  {
    how: 'zstd',
    inflate: (data, most) =>
      zstdDecompressSync(data, { finishFlush: constants.ZSTD_e_flush, maxOutputLength: most }),
    starts: (data) => all(data, Buffer.from([0x28, 0xb5, 0x2f, 0xfd])),
  },
];

function leniently(inflate: Inflate): (data: Buffer, most: number) => Buffer {
  return (data, most) => inflate(data, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: most });
}

/**
 * What comes out of a stream that may be cut, damaged, followed by something else, or none at all. Longer and longer beginnings are tried, so
 * that what is none costs little, and of a damaged one stays what comes before the damage.
 */
function inflated(data: Buffer, inflate: (data: Buffer, most: number) => Buffer): Buffer {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // most trials fail, and a trace costs more than the trial
  try {
    return longest(data, inflate);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function longest(data: Buffer, inflate: (data: Buffer, most: number) => Buffer): Buffer {
  let best: Buffer = Buffer.alloc(0);
  const holds = (length: number): boolean => {
    try {
      best = inflate(data.subarray(0, length), mostInflated);
      return true;
    } catch {
      return false;
    }
  };
  let good = 0;
  let bad = 64;
  for (; holds(bad); bad *= 2) {
    good = bad;
    if (good >= data.length) return best;
  }
  while (good > 0 && bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (holds(middle)) good = middle;
    else bad = middle;
  }
  return best;
}

function* all(data: Buffer, magic: Buffer): Generator<number> {
  for (let at = data.indexOf(magic); at >= 0; at = data.indexOf(magic, at + 1)) yield at;
}

/** RFC 1950 section 2.2: method 8, a window of up to 32 KiB, no dictionary, and the check of both bytes. */
function* zlibStarts(data: Buffer): Generator<number> {
  for (let at = 0; at + 1 < data.length; at++) {
    const method = data[at] ?? 0;
    const flags = data[at + 1] ?? 0;
    if ((method & 0x0f) === 8 && method <= 0x78 && (flags & 0x20) === 0 && (method * 256 + flags) % 31 === 0)
      yield at;
  }
}

/**
 * Raw deflate has no mark of its own. It is tried at the beginning, behind the local file headers of ZIP, and behind OpenPGP's
 * compressed data packet with algorithm ZIP (RFC 9580 section 5.6).
 */
function* deflateStarts(data: Buffer): Generator<number> {
  yield 0;
  for (const at of all(data, Buffer.from('PK\x03\x04', 'latin1'))) {
    if (at + 30 <= data.length) yield at + 30 + data.readUInt16LE(at + 26) + data.readUInt16LE(at + 28);
  }
  for (let at = data.indexOf(1); at >= 0; at = data.indexOf(1, at + 1)) {
    if (compressedTags.some(([back, tag]) => data[at - back] === tag)) yield at + 1;
  }
}

/** How far before the algorithm a packet's tag may stand, which depends on how the length is written. */
const compressedTags: readonly (readonly [back: number, tag: number])[] = [
  [2, 0xc8],
  [3, 0xc8],
  [6, 0xc8],
  [2, 0xa0],
  [3, 0xa1],
  [5, 0xa2],
  [1, 0xa3],
];
