import { type AlgorithmInfo, encryptSessionKey, type PublicKey, readKey } from 'openpgp';
import { ProtocolError } from '../errors.ts';
import { policy, sessionKey } from '../sealed/policy.ts';
import { requireEncryptionKey } from '../sealed/usable.ts';

/** A domain's certificate, parsed and found fit to encrypt to: what costs time is done once for many envelopes. */
export interface EnvelopeCertificate {
  readonly publicKey: PublicKey;
  /** Length of the packet that carries a session key to it, header included. */
  readonly sessionKeyPacketBytes: number;
  /** The time that its validity was checked at. */
  readonly date: Date;
}

/**
 * `bytes`: a binary transferable public key (RFC 9580 section 10.1). Throws `ProtocolError` `wrong-key`, `key-expired`, `key-revoked`,
 * `key-unusable`.
 */
export async function loadCertificate(
  bytes: Uint8Array,
  date: Date = new Date(),
): Promise<EnvelopeCertificate> {
  const publicKey = await readKey({ binaryKey: bytes, config: policy }).catch((cause) => {
    throw new ProtocolError('wrong-key', 'the domain’s certificate is no OpenPGP certificate', { cause });
  });
  if (publicKey.isPrivate())
    throw new ProtocolError('wrong-key', 'what is given as the domain’s certificate is its secret key');
  const algorithm = await requireEncryptionKey(publicKey, date, 'domain');
  const sample = await encryptSessionKey({
    ...sessionKey(new Uint8Array(32)),
    encryptionKeys: publicKey,
    wildcard: true,
    format: 'binary',
    date,
    config: policy,
  });
  return { publicKey, date, sessionKeyPacketBytes: rsaPacketBytes(algorithm) ?? sample.length };
}

/** An RSA ciphertext goes without its leading zeros, so that a sample may be shorter than most: 1 of 256 is. */
function rsaPacketBytes({ algorithm, bits }: AlgorithmInfo): number | undefined {
  if (bits === undefined || !algorithm.startsWith('rsa')) return undefined;
  const body = 1 + 8 + 1 + 2 + Math.ceil(bits / 8);
  return body + (body < 192 ? 2 : 3);
}
