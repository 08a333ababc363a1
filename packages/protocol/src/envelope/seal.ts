import { type AnyPacket, encrypt, Message, PacketList } from 'openpgp';
import { concat } from '../codec/bytes.ts';
import { packetHeaderBytes, packetTypes, writePacket } from '../codec/openpgp.ts';
import { ProtocolError } from '../errors.ts';
import { systemRandom } from '../primitives/index.ts';
import { policy, sessionKey } from '../sealed/policy.ts';
import { type EnvelopeCertificate, loadCertificate } from './certificate.ts';
import { encodeFragment, type Fragment, fragmentOverhead } from './fragment.ts';

// spec envelope 2
/**
 * A fragment as an OpenPGP message of exactly `size` bytes to the domain's certificate, which nothing in it names. For more than one
 * envelope load the certificate once. Throws `ProtocolError` `wrong-length` when it does not fit, `wrong-fragment`, and what `loadCertificate` throws.
 */
export async function sealEnvelope(
  fragment: Fragment,
  certificate: Uint8Array | EnvelopeCertificate,
  size: number,
): Promise<Uint8Array> {
  const loaded = await ensureLoaded(certificate);
  const content = padded(encodeFragment(fragment), contentBytes(loaded, size));
  // spec envelope 2.3
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const envelope = await encryptContent(content, loaded);
    if (envelope.length === size) return envelope;
  }
  throw new ProtocolError('wrong-length', `no envelope to this certificate comes out at ${size} bytes`);
}

/**
 * How many bytes of data fit into a fragment in an envelope of `size` bytes. Throws `ProtocolError` `wrong-length` when none do, and what
 * `loadCertificate` throws.
 */
export async function fragmentCapacity(
  certificate: Uint8Array | EnvelopeCertificate,
  recipient: string,
  size: number,
  extra: { readonly returnInfo?: Uint8Array; readonly attestation?: Uint8Array } = {},
): Promise<number> {
  const { returnInfo = new Uint8Array(), attestation = new Uint8Array() } = extra;
  const whole = contentBytes(await ensureLoaded(certificate), size);
  const capacity =
    whole - literalOverhead - paddingOverhead - fragmentOverhead({ recipient, returnInfo, attestation });
  if (capacity < 1)
    throw new ProtocolError('wrong-length', `envelopes of ${size} bytes have no room for data`);
  return capacity;
}

async function ensureLoaded(certificate: Uint8Array | EnvelopeCertificate): Promise<EnvelopeCertificate> {
  return certificate instanceof Uint8Array ? loadCertificate(certificate) : certificate;
}

// spec envelope 2.2
/** Bytes that are encrypted: all but the two packets' headers, the version, the prefix of 18 and the hash with its header, 22. */
function contentBytes({ sessionKeyPacketBytes }: EnvelopeCertificate, size: number): number {
  const packet = size - sessionKeyPacketBytes;
  const lengthOctets = [1, 2, 5].find((octets) => octets === octetsFor(packet - 1 - octets));
  if (lengthOctets === undefined)
    throw new ProtocolError('wrong-length', `no envelope to this certificate has ${size} bytes`);
  return packet - 1 - lengthOctets - 1 - 18 - 22;
}

/** RFC 9580 section 4.2.1: what the library writes a length of `bytes` in. */
function octetsFor(bytes: number): number {
  return bytes < 192 ? 1 : bytes < 8384 ? 2 : 5;
}

// spec envelope 2.2
function padded(fragment: Uint8Array, length: number): Uint8Array {
  const room = length - literalOverhead - fragment.length - paddingOverhead;
  if (room < 0)
    throw new ProtocolError('wrong-length', `the fragment is ${-room} bytes too long for its envelope`, {
      hint: 'Split by what fragmentCapacity tells.',
    });
  return concat(
    writePacket(packetTypes.literalData, literalFields, fragment),
    writePacket(packetTypes.padding, systemRandom.bytes(room)),
  );
}

/** Binary, no file name, no date (RFC 9580 section 5.9). */
export const literalFields: Uint8Array = Uint8Array.of(0x62, 0, 0, 0, 0, 0);
const literalOverhead = packetHeaderBytes + literalFields.length;
const paddingOverhead = packetHeaderBytes;

async function encryptContent(
  content: Uint8Array,
  { publicKey, date }: EnvelopeCertificate,
): Promise<Uint8Array> {
  return encrypt({
    message: new Message<Uint8Array>(new WrittenPackets(content)),
    sessionKey: sessionKey(systemRandom.bytes(32)),
    encryptionKeys: publicKey,
    wildcard: true,
    format: 'binary',
    date,
    config: policy,
  });
}

/** Packets that are encoded already: the library would choose the shortest lengths itself, and has no Padding packet to build. */
class WrittenPackets extends PacketList<AnyPacket> {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.#bytes = bytes;
  }

  override write(): Uint8Array {
    return this.#bytes;
  }
}

const mostAttempts = 64;
