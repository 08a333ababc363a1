import { type ResourceRecord, viewOf } from '../message.ts';
import { isAtOrBelow, labelsOf, type Name, nameToWire, readName, suffix } from '../name.ts';
import { types } from '../types.ts';
import type { ZoneKey } from './keys.ts';

/** A zone whose keys are proven. */
export interface Zone {
  readonly name: Name;
  readonly keys: readonly ZoneKey[];
}

/** What is spent on one question: whoever makes keys and signatures collide must not keep a machine busy (CVE-2023-50387). */
export interface Budget {
  verifications: number;
}

export type Judged =
  | {
      readonly kind: 'valid';
      readonly ttlSeconds: number;
      /** The name that a wildcard lies at, when the records are made from one. */
      readonly wildcardAt?: Name;
    }
  | { readonly kind: 'bogus' | 'unprovable' };

/**
 * Whether one of the signatures over a set of records holds (RFC 4035 section 5.3). `records` are all of one owner and type;
 * `beside` is the section they came in. `now`: Unix seconds.
 */
export function judge(
  records: readonly ResourceRecord[],
  beside: readonly ResourceRecord[],
  { name: zone, keys }: Zone,
  { now, budget }: { readonly now: number; readonly budget: Budget },
): Judged {
  const [first] = records;
  if (first === undefined) return { kind: 'bogus' };
  const signatures = beside
    .filter(({ name, type }) => name === first.name && type === types.RRSIG)
    .flatMap(({ data }) => readSignature(data) ?? [])
    .filter(
      (signature) =>
        signature.covered === first.type &&
        signature.signer === zone &&
        isAtOrBelow(first.name, zone) &&
        signature.labels <= labelsOf(first.name).length,
    );
  for (const signature of signatures) {
    if (!isInTime(signature, now)) continue;
    const signed = signedData(records, signature);
    for (const key of keys) {
      if (key.tag !== signature.tag || key.algorithm !== signature.algorithm) continue;
      if (budget.verifications <= 0) return { kind: 'unprovable' };
      budget.verifications -= 1;
      if (!key.verifies(signed, signature.signature)) continue;
      const ttls = records.map(({ ttl }) => ttl);
      const ttlSeconds = Math.min(...ttls, signature.originalTtl, (signature.expiration - now) | 0);
      const owned = labelsOf(first.name).filter((label, at) => at > 0 || label !== '*').length;
      return signature.labels < owned
        ? { kind: 'valid', ttlSeconds, wildcardAt: suffix(first.name, signature.labels) }
        : { kind: 'valid', ttlSeconds };
    }
  }
  return { kind: 'bogus' };
}

/** RFC 4034 section 3.1. */
interface Signature {
  readonly covered: number;
  readonly algorithm: number;
  readonly labels: number;
  readonly originalTtl: number;
  readonly expiration: number;
  readonly inception: number;
  readonly tag: number;
  readonly signer: Name;
  /** Before the signature, the signer in lower case. */
  readonly head: Uint8Array;
  readonly signature: Uint8Array;
}

function readSignature(data: Uint8Array): Signature | undefined {
  const signer = data.length < 19 ? undefined : readName(data, 18);
  if (signer === undefined) return undefined;
  const view = viewOf(data);
  return {
    covered: view.getUint16(0),
    algorithm: view.getUint8(2),
    labels: view.getUint8(3),
    originalTtl: view.getUint32(4),
    expiration: view.getUint32(8),
    inception: view.getUint32(12),
    tag: view.getUint16(16),
    signer: signer.name,
    head: Buffer.concat([data.subarray(0, 18), nameToWire(signer.name)]),
    signature: data.subarray(signer.next),
  };
}

/** Serial numbers of 32 bits, so that 2106 is no boundary (RFC 4034 section 3.1.5). */
function isInTime({ inception, expiration }: Signature, now: number): boolean {
  return ((now - inception) | 0) >= 0 && ((expiration - now) | 0) > 0;
}

/** RFC 4034 section 3.1.8.1. */
function signedData(records: readonly ResourceRecord[], { head, labels, originalTtl }: Signature): Buffer {
  const [{ name, type }] = records as [ResourceRecord];
  const own = labelsOf(name);
  const owner = nameToWire(
    labels < own.length ? `*.${suffix(name, labels)}`.replace(/^\*\.\.$/, '*.') : name,
  );
  const sorted = records.map(({ data }) => data).sort(Buffer.compare);
  const unique = sorted.filter((data, at) => at === 0 || Buffer.compare(data, sorted[at - 1] ?? data) !== 0);
  return Buffer.concat([
    head,
    ...unique.flatMap((data) => {
      const fixed = Buffer.alloc(10);
      fixed.writeUInt16BE(type, 0);
      fixed.writeUInt16BE(1, 2);
      fixed.writeUInt32BE(originalTtl, 4);
      fixed.writeUInt16BE(data.length, 8);
      return [owner, fixed, data];
    }),
  ]);
}
