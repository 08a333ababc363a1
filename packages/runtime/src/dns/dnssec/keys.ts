import { createPublicKey, hash, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { viewOf } from '../message.ts';
import { type Name, nameToWire } from '../name.ts';

/** A key that may sign a zone (RFC 4034 section 2). */
export interface ZoneKey {
  readonly tag: number;
  readonly algorithm: number;
  /** Of the record, as a DS record's digest covers it. */
  readonly data: Uint8Array;
  verifies(signed: Uint8Array, signature: Uint8Array): boolean;
}

/** A DS record (RFC 4034 section 5), from a parent or as a trust anchor. */
export interface Delegation {
  readonly tag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Uint8Array;
}

/** `undefined` for a key that signs no zones, is revoked (RFC 5011), or is of no algorithm known here. */
export function readZoneKey(data: Uint8Array): ZoneKey | undefined {
  if (data.length < 5) return undefined;
  const flags = viewOf(data).getUint16(0);
  const algorithm = data[3] ?? 0;
  const scheme = schemes.get(algorithm);
  const usable = (flags & zoneKeyFlag) !== 0 && (flags & revokedFlag) === 0 && data[2] === 3;
  const key = usable ? scheme?.importKey(data.subarray(4)) : undefined;
  if (scheme === undefined || key === undefined) return undefined;
  return {
    tag: keyTag(data),
    algorithm,
    data,
    verifies: (signed, signature) =>
      verify(scheme.digest, signed, { key, dsaEncoding: 'ieee-p1363' }, signature),
  };
}

export function readDelegation(data: Uint8Array): Delegation | undefined {
  if (data.length < 5) return undefined;
  const [, , algorithm = 0, digestType = 0] = data;
  return { tag: viewOf(data).getUint16(0), algorithm, digestType, digest: data.subarray(4) };
}

/** Whether a delegation can be followed at all. SHA-1 is none of the digests: forgeries of it are within reach. */
export function isUnderstood({ algorithm, digestType }: Delegation): boolean {
  return schemes.has(algorithm) && digests.has(digestType);
}

export function isDelegatedTo(zone: Name, key: ZoneKey, ds: Delegation): boolean {
  const digest = digests.get(ds.digestType);
  return (
    digest !== undefined &&
    key.tag === ds.tag &&
    key.algorithm === ds.algorithm &&
    hash(digest, Buffer.concat([nameToWire(zone), key.data]), 'buffer').equals(ds.digest)
  );
}

/** RFC 4034 appendix B. */
function keyTag(data: Uint8Array): number {
  const sum = data.reduce((before, octet, at) => before + (at % 2 === 0 ? octet << 8 : octet), 0);
  return (sum + (sum >>> 16)) & 0xffff;
}

const zoneKeyFlag = 0x0100;
const revokedFlag = 0x0080;
const digests: ReadonlyMap<number, string> = new Map([
  [2, 'sha256'],
  [4, 'sha384'],
]);

interface Scheme {
  readonly digest: string | undefined;
  importKey(key: Uint8Array): KeyObject | undefined;
}

/** What RFC 8624 says to implement, without SHA-1. */
const schemes: ReadonlyMap<number, Scheme> = new Map([
  [8, { digest: 'sha256', importKey: importRsa }],
  [10, { digest: 'sha512', importKey: importRsa }],
  [13, { digest: 'sha256', importKey: importEc('P-256', 32) }],
  [14, { digest: 'sha384', importKey: importEc('P-384', 48) }],
  [15, { digest: undefined, importKey: importEd('Ed25519', 32) }],
  [16, { digest: undefined, importKey: importEd('Ed448', 57) }],
]);

/** RFC 3110. */
function importRsa(key: Uint8Array): KeyObject | undefined {
  const [first = 0, high = 0, low = 0] = key;
  const [start, length] = first === 0 ? [3, (high << 8) | low] : [1, first];
  const exponent = key.subarray(start, start + length);
  const modulus = key.subarray(start + length);
  // Shorter ones can be factored; longer ones cost the verifier more than they protect.
  if (
    exponent.length !== length ||
    length === 0 ||
    length > 8 ||
    modulus.length < 128 ||
    modulus.length > 512
  )
    return undefined;
  return importJwk({ kty: 'RSA', n: base64url(modulus), e: base64url(exponent) });
}

/** RFC 6605. */
function importEc(crv: string, size: number): Scheme['importKey'] {
  return (key) =>
    key.length === 2 * size
      ? importJwk({ kty: 'EC', crv, x: base64url(key.subarray(0, size)), y: base64url(key.subarray(size)) })
      : undefined;
}

/** RFC 8080. */
function importEd(crv: string, size: number): Scheme['importKey'] {
  return (key) => (key.length === size ? importJwk({ kty: 'OKP', crv, x: base64url(key) }) : undefined);
}

function importJwk(key: JsonWebKey): KeyObject | undefined {
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
