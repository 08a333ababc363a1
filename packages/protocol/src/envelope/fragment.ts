import { ByteWriter, concat, decodeBytes } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { isMailbox } from '../sealed/mailbox.ts';

/** One part of a sealed message, and what the recipient's gateway needs to deliver the whole. */
export interface Fragment {
  /** The mailbox it is for. */
  readonly recipient: string;
  /** 16 bytes, the same in all fragments of one message. */
  readonly setId: Uint8Array;
  /** Place in the set, from 0. */
  readonly index: number;
  /** How many fragments are needed, of how many there are. */
  readonly k: number;
  readonly n: number;
  /** Length of the sealed message. */
  readonly totalBytes: number;
  /** Unix seconds, a whole hour: what is incomplete by then is thrown away. */
  readonly expires: number;
  /** How to reach the author without knowing them; may be empty. */
  readonly returnInfo: Uint8Array;
  /** What the author's domain says for them; may be empty. */
  readonly attestation: Uint8Array;
  readonly data: Uint8Array;
}

export type FragmentRefusedReason =
  | 'malformed'
  | 'unknown-version'
  | 'wrong-recipient'
  | 'wrong-position'
  | 'wrong-length';

export type DecodedFragment =
  | { readonly kind: 'fragment'; readonly fragment: Fragment }
  | { readonly kind: 'refused'; readonly reason: FragmentRefusedReason };

// spec envelope 3
/** Throws `ProtocolError` `wrong-fragment` for what `decodeFragment` would not give back. */
export function encodeFragment(fragment: Fragment): Uint8Array {
  const { setId, index, k, n, totalBytes, expires, returnInfo, attestation, data } = fragment;
  const flaw = flawOf(fragment);
  if (flaw !== undefined)
    throw new ProtocolError('wrong-fragment', `the fragment cannot be written: ${flaw}`);
  const fields = new ByteWriter()
    .u8(version)
    .bytes(setId)
    .u16(index)
    .u16(k)
    .u16(n)
    .u32(totalBytes)
    .u32(expires / secondsPerHour)
    .vector8(new TextEncoder().encode(fragment.recipient))
    .vector16(returnInfo)
    .vector16(attestation)
    .finish();
  return concat(fields, data);
}

/** Exactly one byte string gives each fragment. No input makes it throw. */
export function decodeFragment(bytes: Uint8Array): DecodedFragment {
  if (bytes[0] !== version)
    return { kind: 'refused', reason: bytes.length === 0 ? 'malformed' : 'unknown-version' };
  const fragment = decodeBytes(bytes.subarray(1), (reader): Fragment => {
    const setId = reader.bytes(setIdBytes).slice();
    const [index, k, n] = [reader.u16(), reader.u16(), reader.u16()];
    const [totalBytes, hours] = [reader.u32(), reader.u32()];
    return {
      setId,
      index,
      k,
      n,
      totalBytes,
      expires: hours * secondsPerHour,
      recipient: String.fromCharCode(...reader.vector8()),
      returnInfo: reader.vector16().slice(),
      attestation: reader.vector16().slice(),
      data: reader.rest().slice(),
    };
  });
  if (fragment === undefined) return { kind: 'refused', reason: 'malformed' };
  const reason = flawOf(fragment);
  return reason === undefined ? { kind: 'fragment', fragment } : { kind: 'refused', reason };
}

/** Bytes of a fragment that are not its data. */
export function fragmentOverhead(p: {
  recipient: string;
  returnInfo: Uint8Array;
  attestation: Uint8Array;
}): number {
  return (
    1 +
    setIdBytes +
    6 +
    4 +
    4 +
    (1 + p.recipient.length) +
    (2 + p.returnInfo.length) +
    (2 + p.attestation.length)
  );
}

// spec envelope 3.1
/**
 * Where the data of fragment `index` lies in the sealed message. The first `totalBytes mod k` fragments are one byte longer than the rest.
 * Fragments from `k` on, which no version makes yet, are as long as the first.
 */
export function placeOf(index: number, k: number, totalBytes: number): { start: number; length: number } {
  const short = Math.floor(totalBytes / k);
  const longer = totalBytes % k;
  if (index >= k) return { start: totalBytes, length: Math.ceil(totalBytes / k) };
  return { start: index * short + Math.min(index, longer), length: short + (index < longer ? 1 : 0) };
}

const setIdBytes = 16;

/** Most fragments of one set. */
export const mostFragments = 0xffff;

const version = 1;
const secondsPerHour = 3600;

function flawOf(fragment: Fragment): FragmentRefusedReason | undefined {
  const { recipient, setId, index, k, n, totalBytes, expires, returnInfo, attestation, data } = fragment;
  if (!isMailbox(recipient) || recipient.length > 255) return 'wrong-recipient';
  const integers = [index, k, n, totalBytes, expires / secondsPerHour];
  if (!integers.every((value) => Number.isInteger(value) && value >= 0)) return 'malformed';
  if (setId.length !== setIdBytes || returnInfo.length > 0xffff || attestation.length > 0xffff)
    return 'malformed';
  if (totalBytes > 0xffff_ffff || expires / secondsPerHour > 0xffff_ffff) return 'malformed';
  if (k < 1 || k > n || n > mostFragments || index >= n || totalBytes < k) return 'wrong-position';
  return data.length === placeOf(index, k, totalBytes).length ? undefined : 'wrong-length';
}
