import { enums, type Message, type PublicKey, readMessage, readSignature, SignaturePacket } from 'openpgp';
import { type FramedPacket, framePackets, packetTypes, writePacket } from '../codec/openpgp.ts';
import { mostPackets } from './content.ts';
import { policy } from './policy.ts';

/** Who signed the whole of a message. */
export type Verdict =
  | {
      readonly kind: 'good';
      /** Of the signer's certificate: hexadecimal in lower case. */
      readonly fingerprint: string;
      /** Those that the certificate's owner vouches for. */
      readonly userIds: readonly string[];
      readonly signedAt: Date;
    }
  | { readonly kind: 'bad'; readonly why: BadSignature }
  /** Somebody signed whose certificate was not given. */
  | { readonly kind: 'unknown-key'; readonly keyId: string }
  | { readonly kind: 'unsigned' };

export type BadSignature =
  /** It is not of this message, or not by that key. */
  | 'wrong-signature'
  /** A hash function that can be forged. */
  | 'weak-hash'
  | 'from-the-future'
  | 'expired'
  /** The key could not sign at that time: expired, revoked, or not made for it. */
  | 'unusable-key'
  /** Of a version, type or algorithm that is unknown here. */
  | 'unknown-kind';

// spec sealed 6.4
/**
 * Judges the signatures in the packets of a message: one literal, and those around it that are of all of it. One bad signature spoils the
 * others; a good one counts before one by an unknown key.
 */
export async function judge(
  packets: Uint8Array,
  verificationKeys: readonly PublicKey[],
  date: Date,
): Promise<Verdict> {
  const signatures = (framePackets(packets, mostPackets) ?? []).filter(
    ({ type }) => type === packetTypes.signature,
  );
  if (signatures.length === 0) return { kind: 'unsigned' };
  const judgedAt = await notBeforeSigning(signatures, date);
  const verdicts = await judgeEach(packets, verificationKeys, judgedAt);
  // The library leaves out what it does not understand.
  if (verdicts.length < signatures.length) return { kind: 'bad', why: 'unknown-kind' };
  const order = ['bad', 'good', 'unknown-key'];
  const [first = { kind: 'bad', why: 'unknown-kind' }] = verdicts.sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind),
  );
  return first;
}

/** Of each signature that the library understands. */
async function judgeEach(packets: Uint8Array, keys: readonly PublicKey[], date: Date): Promise<Verdict[]> {
  const signatures = await verify(packets, [], date);
  const byKey = new Map<PublicKey, Result[]>();
  for (const key of keys) {
    if (signatures.some(({ keyID }) => key.getKeys(keyID).length > 0))
      byKey.set(key, await verify(packets, [key], date));
  }
  return Promise.all(
    signatures.map(async ({ keyID }, at) => {
      // Anybody can put somebody else's key into a certificate, but not make it count there.
      const candidates = [...byKey].filter(([key]) => key.getKeys(keyID).length > 0);
      const verdicts: Verdict[] = [];
      for (const [key, results] of candidates) verdicts.push(await judgeOne(results[at], key, date));
      return (
        verdicts.find(({ kind }) => kind === 'good') ??
        verdicts.find((verdict) => verdict.kind !== 'bad' || verdict.why !== 'unusable-key') ??
        verdicts[0] ?? { kind: 'unknown-key', keyId: keyID.toHex() }
      );
    }),
  );
}

async function verify(packets: Uint8Array, keys: PublicKey[], date: Date): Promise<Result[]> {
  try {
    const message = await readMessage({ binaryMessage: packets, config: policy });
    return await message.verify(keys, date, policy);
  } catch {
    return [];
  }
}

/** Clocks differ: a signature from a little ahead is from now. */
async function notBeforeSigning(signatures: readonly FramedPacket[], date: Date): Promise<Date> {
  const times = await Promise.all(signatures.map(timeOf));
  const near = times.filter((time) => time <= date.getTime() + clockToleranceMs);
  return new Date(Math.max(date.getTime(), ...near));
}

async function timeOf({ type, body }: FramedPacket): Promise<number> {
  try {
    const { packets } = await readSignature({ binarySignature: writePacket(type, body), config: policy });
    return packets[0]?.created?.getTime() ?? 0;
  } catch {
    return 0;
  }
}

const clockToleranceMs = 300_000;

type Result = Awaited<ReturnType<Message<Uint8Array>['verify']>>[number];

async function judgeOne(result: Result | undefined, signer: PublicKey, date: Date): Promise<Verdict> {
  const [signature] = (await result?.signature)?.packets ?? [];
  if (result === undefined || !(signature instanceof SignaturePacket) || signature.created === null)
    return { kind: 'bad', why: 'unknown-kind' };
  const holds = await result.verified.catch(() => false);
  if (!holds) return { kind: 'bad', why: await whyBad(signature, signer, date) };
  return {
    kind: 'good',
    fingerprint: signer.getFingerprint(),
    userIds: await validUserIds(signer, date),
    signedAt: signature.created,
  };
}

async function whyBad(signature: SignaturePacket, signer: PublicKey, date: Date): Promise<BadSignature> {
  const { created, hashAlgorithm, issuerKeyID } = signature;
  if (created === null || hashAlgorithm === null) return 'unknown-kind';
  if (weakHashes.includes(hashAlgorithm)) return 'weak-hash';
  if (created > date) return 'from-the-future';
  if (signature.isExpired(date)) return 'expired';
  const usable = await signer.getSigningKey(issuerKeyID, created, undefined, policy).then(
    () => true,
    () => false,
  );
  return usable ? 'wrong-signature' : 'unusable-key';
}

const weakHashes: readonly enums.hash[] = [enums.hash.md5, enums.hash.sha1, enums.hash.ripemd];

/** A user id that its key never signed is anybody's text. */
async function validUserIds(signer: PublicKey, date: Date): Promise<string[]> {
  const verified = await signer.verifyAllUsers(undefined, date, policy);
  return verified.filter(({ valid }) => valid === true).map(({ userID }) => userID);
}
