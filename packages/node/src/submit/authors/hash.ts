import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import type { Random } from '@postern/runtime';

/** A password's hash as a PHC string: `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`, both in base64 without `=`. */
export interface PasswordHash {
  /** log2 of scrypt's N (RFC 7914 section 2). */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** Each guess takes 32 MiB. */
export const ownCost = { ln: 15, r: 8, p: 1 } as const;

export async function hashPassword(password: string, random: Random): Promise<PasswordHash> {
  const blank = { ...ownCost, salt: random.bytes(16), hash: new Uint8Array(32) };
  return { ...blank, hash: await derive(password, blank) };
}

/** Takes as long for a wrong password as for the right one. */
export async function isPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

export function formatHash({ ln, r, p, salt, hash }: PasswordHash): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`;
}

/** Nothing for what is no such string, or costs more than a guess may. */
export function parseHash(text: string): PasswordHash | undefined {
  const { ln, r, p, salt, hash } = phc.exec(text)?.groups ?? {};
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const bytes = { salt: Buffer.from(salt ?? '', 'base64'), hash: Buffer.from(hash ?? '', 'base64') };
  const parsed = { ...cost, ...bytes };
  if (formatHash(parsed) !== text) return undefined;
  const fits =
    cost.ln >= 10 &&
    cost.p <= 16 &&
    memory(parsed) <= maxMemory &&
    bytes.salt.length >= 8 &&
    bytes.hash.length >= 16 &&
    bytes.hash.length <= 64;
  return fits ? parsed : undefined;
}

function derive(password: string, { ln, r, p, salt, hash }: PasswordHash): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: 2 * maxMemory };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hash.length, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

function memory({ ln, r }: Pick<PasswordHash, 'ln' | 'r'>): number {
  return 128 * r * 2 ** ln;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
}

const phc =
  /^\$scrypt\$ln=(?<ln>[1-9]\d?),r=(?<r>[1-9]\d?),p=(?<p>[1-9]\d?)\$(?<salt>[A-Za-z0-9+/]{1,128})\$(?<hash>[A-Za-z0-9+/]{1,128})$/;
const maxMemory = 256 * 1024 * 1024;
