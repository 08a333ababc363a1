import { ByteWriter, concat, decodeBytes, equalBytes } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { isDomain } from '../packet/domain.ts';
import { aead, type Random, systemRandom } from '../primitives/index.ts';
import { isHour, reportKeyBytes, secondsPerHour, tokenBytes } from './returninfo.ts';

/** What a gateway needs to know of a message that it has delivered, should somebody complain of it. */
export interface ReturnField {
  /** The author's domain, lower case. */
  readonly domain: string;
  /** 16 bytes by which that domain's gateway knows the author. */
  readonly token: Uint8Array;
  /** Unix seconds, a whole hour: no complaint is made from then on. */
  readonly expires: number;
}

/** Length of every sealed one. */
export const returnFieldBytes: number = 12 + 288 + 16;

// spec report 7.1
/**
 * Seals it for nobody but the gateway that has the key. Throws `ProtocolError` `wrong-key` when the key has not 32 bytes, `wrong-encoding`
 * for a field that `openReturnField` would refuse.
 */
export function sealReturnField(
  key: Uint8Array,
  field: ReturnField,
  random: Random = systemRandom,
): Uint8Array {
  const { domain, token, expires } = field;
  if (key.length !== reportKeyBytes)
    throw new ProtocolError('wrong-key', `return information is sealed under ${reportKeyBytes} bytes`);
  if (!isDomain(domain) || token.length !== tokenBytes || !isHour(expires))
    throw new ProtocolError('wrong-encoding', 'the return information has a field that cannot be written');
  const written = new ByteWriter()
    .u8(version)
    .u32(expires / secondsPerHour)
    .bytes(token)
    .vector8(new TextEncoder().encode(domain))
    .finish();
  const nonce = random.bytes(nonceBytes);
  const plain = concat(written, new Uint8Array(plainBytes - written.length));
  return concat(nonce, aead.seal('aes-256-gcm', key, nonce, plain));
}

/** Nothing for what this key did not seal. No sealed bytes make it throw. */
export function openReturnField(key: Uint8Array, sealed: Uint8Array): ReturnField | undefined {
  if (sealed.length !== returnFieldBytes) return undefined;
  const nonce = sealed.subarray(0, nonceBytes);
  const plain = aead.open('aes-256-gcm', key, nonce, sealed.subarray(nonceBytes));
  if (plain?.[0] !== version) return undefined;
  const field = decodeBytes(plain.subarray(1), (reader) => {
    const expires = reader.u32() * secondsPerHour;
    const token = reader.bytes(tokenBytes).slice();
    const domain = String.fromCharCode(...reader.vector8());
    return reader.rest().some((byte) => byte !== 0) ? undefined : { domain, token, expires };
  });
  return field !== undefined && isDomain(field.domain) ? field : undefined;
}

// spec report 7.2
/** The data of a fragment that complains: of abuse (RFC 5965 section 7.3), and nothing else. */
export const complaint: Uint8Array = Uint8Array.of(1, 1);

export function isComplaint(data: Uint8Array): boolean {
  return equalBytes(data, complaint);
}

const version = 1;
const nonceBytes = 12;
const plainBytes = returnFieldBytes - nonceBytes - 16;
