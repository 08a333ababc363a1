import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from 'node:crypto';
import { promisify } from 'node:util';
import { isDomain } from '../address.ts';
import { view } from '../carriage/shape.ts';
import { MailError } from '../errors.ts';

/** RFC 6376 section 3.3.1, RFC 8463. */
export type DkimAlgorithm = 'rsa-sha256' | 'ed25519-sha256';

export interface DkimKey {
  /** What stands in `s=`, and in front of `._domainkey` in the zone. */
  readonly selector: string;
  readonly algorithm: DkimAlgorithm;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

/**
 * A key of each algorithm. The selectors are drawn, so that they tell neither when a key was made nor by what.
 *
 * @param random chance for the selectors; the keys come from the system's
 */
export async function generateDkimKeys(random: (length: number) => Uint8Array): Promise<readonly DkimKey[]> {
  const make = promisify(generateKeyPair);
  const rsa = await make('rsa', { modulusLength: ownRsaBits });
  const ed25519 = await make('ed25519');
  const key = (algorithm: DkimAlgorithm, { privateKey }: KeyPairKeyObjectResult): DkimKey => ({
    selector: view(random(selectorOctets)).toString('hex'),
    algorithm,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  return [key('rsa-sha256', rsa), key('ed25519-sha256', ed25519)];
}

/** Name in the zone of `domain` that holds the key's record (RFC 6376 section 3.6.2.1). */
export function dkimOwner(domain: string, { selector }: Pick<DkimKey, 'selector'>): string {
  return `${selector}._domainkey.${domain}`;
}

/**
 * Data of the key's TXT record (RFC 6376 section 3.6.1), one text: a zone splits it into strings of 255 octets.
 *
 * Throws `bad-key`.
 */
export function dkimRecord(key: Pick<DkimKey, 'algorithm' | 'privateKey'>): string {
  const spki = createPublicKey(readKey(key)).export({ type: 'spki', format: 'der' });
  // RFC 8463 section 4 publishes the 32 octets alone; RSA keys are published whole.
  return key.algorithm === 'rsa-sha256'
    ? `v=DKIM1; k=rsa; p=${spki.toString('base64')}`
    : `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`;
}

/** The key as one to sign with. Throws `bad-key`. */
export function readKey({ algorithm, privateKey }: Pick<DkimKey, 'algorithm' | 'privateKey'>): KeyObject {
  const key = parse(privateKey);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  const fits =
    algorithm === 'ed25519-sha256'
      ? key.asymmetricKeyType === 'ed25519'
      : key.asymmetricKeyType === 'rsa' && bits >= ownRsaBits && bits <= maxRsaBits;
  if (fits) return key;
  throw new MailError('bad-key', `not a DKIM key for ${algorithm}`, {
    hint: `It takes an Ed25519 key, or an RSA key of ${ownRsaBits} to ${maxRsaBits} bits.`,
  });
}

/** Whether `text` can be a selector: labels in front of a domain, so that all of them may be numbers (RFC 6376 section 3.1). */
export function isSelector(text: string): boolean {
  return text.length <= maxSelectorOctets && isDomain(`${text}.domain`);
}

function parse(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new MailError('bad-key', 'cannot read the DKIM key', { cause, hint: 'It must be PKCS#8 PEM.' });
  }
}

const selectorOctets = 8;
const maxSelectorOctets = 63;
/** RFC 8301 section 3.2. */
const ownRsaBits = 2048;
/** What every verifier has to take (RFC 8301 section 3.2). */
export const maxRsaBits = 4096;
/** What a verifier may take at least (RFC 8301 section 3.2). */
export const minRsaBits = 1024;
