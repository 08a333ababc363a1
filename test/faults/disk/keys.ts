import { createHmac, hash, randomBytes } from 'node:crypto';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';

/*
 * What of a mix key may lie somewhere, and how to see it in any bytes. A public key of X-Wing (draft-connolly-cfrg-xwing-kem) is one of ML-KEM-768 and one of X25519,
 * and without the private half of the first nothing is opened. That comes in these forms:
 *
 * - the X-Wing seed, 32 bytes: SHAKE256 of it begins with d;
 * - d, 32 bytes (FIPS 203, algorithm 13): SHA3-512(d || 3) begins with rho, and rho is the end of the public key;
 * - a chain key, 32 bytes, of which the seed of its epoch follows, and the chain key of the next;
 * - the secret vector as a decapsulation key has it: 768 numbers below 3329, of 12 bits each.
 */

/** A public key whose private half is looked for. */
export interface Sought {
  readonly name: string;
  /** Of X-Wing, 1216 bytes. */
  readonly publicKey: Uint8Array;
  /** How many epochs at most a chain key is to be followed. */
  readonly steps: number;
  /** Which chain it comes of, in hex: its key stands behind this, and the epoch that the chain began with, wherever it is as it was stored. */
  readonly lineage?: string;
}

export interface Found {
  readonly name: string;
  readonly form: 'seed' | 'd' | 'chain key' | 'vector';
  /** In hex: the X-Wing seed, as far as it follows from what was found. */
  readonly seed?: string;
}

const windowBytes = 32;
export const vectorBytes = 1_152;
const kemBytes = 1_184;
const q = 3_329;

/**
 * Random bytes have about 30 different ones in 32; that a key has fewer than this happens once in 10^11 times. What is text of few characters, zeros or
 * counters is seen by it at once.
 */
const leastDifferent = 16;

/**
 * That none of 32 random bytes is outside printable ASCII happens once in 10^13 times. A consensus is such text, and lies there in many forms; what is in
 * it as hex or base64 is looked at once it is decoded.
 */
const isPrintable = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte === 0x0a || (byte >= 0x20 && byte < 0x7f)),
);

/** Which windows a lens tries, by their print: each lies in one place at least, wherever it lies again. */
export interface Share {
  /** Of so many lenses that look at the same bytes, this one’s number, from 0: each window is one lens’s. */
  readonly lens: number;
  readonly lenses: number;
  /** One of how many windows is tried as a chain key, beside those where one would stand, and which: following each takes long. */
  readonly chainOneIn: number;
  readonly drawn: number;
}

export interface Lens {
  /** Looks at every window of some bytes. */
  look(bytes: Uint8Array): void;
  readonly found: readonly Found[];
  /** Windows that were tried as a key, how many were tried as a chain key too, and how many of these because they stand behind a lineage. */
  readonly tried: number;
  readonly followed: number;
  readonly behind: number;
}

export function createLens(sought: readonly Sought[], { lens, lenses, chainOneIn, drawn }: Share): Lens {
  const found: Found[] = [];
  const byRho = new Map(sought.map((one) => [rhoIn(one.publicKey), one]));
  const mostSteps = Math.max(...sought.map(({ steps }) => steps));
  const vectors = sought.map((one) => ({ ...one, opens: opener(one.publicKey) }));
  const lineages = sought.flatMap(({ lineage }) =>
    lineage === undefined ? [] : [Buffer.from(lineage, 'hex')],
  );
  const known = new Set<number>();
  let tried = 0;
  let followed = 0;
  let behind = 0;

  const tryWindow = (window: Uint8Array): void => {
    tried += 1;
    const ofD = byRho.get(rhoOf(window));
    if (ofD !== undefined) found.push({ name: ofD.name, form: 'd' });
    const ofSeed = byRho.get(rhoOf(dOf(window)));
    if (ofSeed !== undefined) found.push({ name: ofSeed.name, form: 'seed', seed: hexOf(window) });
  };
  const followChain = (window: Uint8Array): void => {
    followed += 1;
    let key = window;
    for (let steps = 0; steps <= mostSteps; steps += 1) {
      const expand = expandFrom(key);
      const seed = expand('postern mix seed');
      const ofChain = byRho.get(rhoOf(dOf(seed)));
      if (ofChain !== undefined && steps <= ofChain.steps)
        found.push({ name: ofChain.name, form: 'chain key', seed: hexOf(seed) });
      if (steps < mostSteps) key = expand('postern mix chain');
    }
  };

  return {
    found,
    get tried() {
      return tried;
    },
    get followed() {
      return followed;
    },
    get behind() {
      return behind;
    },
    look(bytes) {
      const stored = new Set(lineages.flatMap((lineage) => startsBehind(bytes, lineage)));
      for (const { start, print } of unevenWindows(bytes)) {
        if (print % lenses !== lens) continue;
        const isStored = stored.has(start);
        const isNew = !known.has(print);
        const window = bytes.subarray(start, start + windowBytes);
        if (isNew) tryWindow(window);
        known.add(print);
        if (isStored) behind += 1;
        if (isStored || (isNew && Math.floor(print / lenses) % chainOneIn === drawn)) followChain(window);
      }
      if (lens !== 0) return;
      for (const vector of vectorsIn(bytes))
        for (const { name, opens } of vectors) if (opens(vector)) found.push({ name, form: 'vector' });
    },
  };
}

/** The epoch that a chain began with, between its lineage and its key. */
const firstBytes = 4;

/** Where the chain key begins wherever a lineage stands. */
function startsBehind(bytes: Uint8Array, lineage: Buffer): number[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const starts: number[] = [];
  for (let at = all.indexOf(lineage); at !== -1; at = all.indexOf(lineage, at + 1))
    starts.push(at + lineage.length + firstBytes);
  return starts;
}

/** Where 32 bytes begin that have enough different ones among them and are no text, and a print of them, 53 bits: a consensus lies there many times. */
function* unevenWindows(bytes: Uint8Array): Generator<{ readonly start: number; readonly print: number }> {
  const counts = new Uint8Array(256);
  let different = 0;
  let printable = 0;
  let first = 0;
  let second = 0;
  for (let end = 0; end < bytes.length; end += 1) {
    const coming = bytes[end] as number;
    if (counts[coming] === 0) different += 1;
    counts[coming] = (counts[coming] as number) + 1;
    printable += isPrintable[coming] as number;
    first = (Math.imul(first, factors[0]) + coming) | 0;
    second = (Math.imul(second, factors[1]) + coming) | 0;
    const start = end - windowBytes + 1;
    if (start < 0) continue;
    if (different >= leastDifferent && printable < windowBytes)
      yield { start, print: (first >>> 0) * 0x200000 + (second >>> 11) };
    const going = bytes[start] as number;
    counts[going] = (counts[going] as number) - 1;
    if (counts[going] === 0) different -= 1;
    printable -= isPrintable[going] as number;
    first = (first - Math.imul(going, powers[0])) | 0;
    second = (second - Math.imul(going, powers[1])) | 0;
  }
}

/** Of two hashes that roll, odd; and what the first byte of a window counts in them. */
const factors = [0x01000193, 0x5bd1e995] as const;
const powers = factors.map((factor) =>
  Array.from({ length: windowBytes - 1 }, () => factor).reduce((power, by) => Math.imul(power, by), 1),
) as [number, number];

/** Windows all of whose 768 numbers of 12 bits are below q, and not few of them other than zero. */
function* vectorsIn(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start + vectorBytes <= bytes.length; start += 1) {
    let some = 0;
    let at = start;
    for (; at < start + vectorBytes; at += 3) {
      const middle = bytes[at + 1] as number;
      const low = (bytes[at] as number) | ((middle & 15) << 8);
      const high = (middle >> 4) | ((bytes[at + 2] as number) << 4);
      if (low >= q || high >= q) break;
      if (low !== 0) some += 1;
      // a vector of which half the beginning is zero is none
      if (at === start + 96 && some < 16) break;
    }
    if (at === start + vectorBytes) yield bytes.subarray(start, start + vectorBytes);
  }
}

/** Whether a vector is the secret one of a key: it opens what was sealed to that. */
function opener(publicKey: Uint8Array): (vector: Uint8Array) => boolean {
  const own = publicKey.slice(0, kemBytes);
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(own);
  const tail = Buffer.concat([own, hash('sha3-256', own, 'buffer'), randomBytes(32)]);
  return (vector) =>
    Buffer.from(ml_kem768.decapsulate(cipherText, Buffer.concat([vector, tail]))).equals(sharedSecret);
}

function rhoIn(publicKey: Uint8Array): string {
  return hexOf(publicKey.subarray(kemBytes - 32, kemBytes));
}

/** HKDF-SHA256 (RFC 5869) without salt, for 32 bytes. */
function expandFrom(key: Uint8Array): (label: string) => Uint8Array {
  const extracted = createHmac('sha256', '').update(key).digest();
  return (label) => createHmac('sha256', extracted).update(label).update(one).digest();
}

const one = Uint8Array.of(1);
/** d || 3; which d, changes each time. */
const withThree = Buffer.alloc(windowBytes + 1, 3);

function rhoOf(d: Uint8Array): string {
  withThree.set(d);
  return hash('sha3-512', withThree, 'hex').slice(0, 64);
}

function dOf(seed: Uint8Array): Uint8Array {
  return hash('shake256', seed, { outputLength: 32, outputEncoding: 'buffer' });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
