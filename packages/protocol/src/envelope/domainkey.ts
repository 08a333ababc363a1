import { generateKey } from 'openpgp';
import { ProtocolError } from '../errors.ts';
import { isDomain } from '../packet/domain.ts';
import { policy } from '../sealed/policy.ts';

export interface DomainKey {
  /** Binary transferable secret key, not locked. */
  readonly secretKey: Uint8Array;
  /** Binary transferable public key. */
  readonly certificate: Uint8Array;
  /** Of the primary key, 40 hexadecimal digits in lower case. */
  readonly fingerprint: string;
}

// spec envelope 5
/**
 * A domain's OpenPGP key: version 4 and Curve25519 in its older encoding, which GnuPG 2.2 reads too; the user id is `<secure@domain>`. It says that it
 * was made at the beginning of the hour before `date`: clocks differ, and a key from the future is no key. Throws
 * `ProtocolError` `wrong-domain`.
 */
export async function generateDomainKey(domain: string, date: Date = new Date()): Promise<DomainKey> {
  if (!isDomain(domain))
    throw new ProtocolError('wrong-domain', 'a domain key is for a domain name in lower case');
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: `secure@${domain}` }],
    date: new Date((Math.floor(date.getTime() / msPerHour) - 1) * msPerHour),
    format: 'object',
    config: policy,
  });
  return {
    secretKey: privateKey.write(),
    certificate: publicKey.write(),
    fingerprint: publicKey.getFingerprint(),
  };
}

const msPerHour = 3_600_000;
