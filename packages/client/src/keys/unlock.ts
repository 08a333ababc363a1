import { decryptKey, encryptKey, type PrivateKey } from 'openpgp';
import { ClientError } from '../errors.ts';
import { fingerprintOf, limits } from './certificate.ts';

/** Which key a passphrase is wanted for. */
export interface PassphraseRequest {
  /** The key's first user id. */
  readonly owner: string;
  readonly fingerprint: string;
}

/** Asks the person, or whatever stands in. */
export type PassphraseSource = (request: PassphraseRequest) => Promise<string>;

/** The source when there is none. */
export const noPassphrase: PassphraseSource = async ({ owner }) => {
  throw new ClientError('wrong-passphrase', `the key of ${owner} is protected by a passphrase`, {
    hint: 'Run the command in a terminal, or give --passphrase-file FILE or --passphrase-fd N.',
  });
};

/** The key in the clear, in memory. Throws `wrong-passphrase` or `bad-file`. */
export async function unlock(key: PrivateKey, source: PassphraseSource): Promise<PrivateKey> {
  if (key.isDecrypted()) return key;
  const owner = key.getUserIDs()[0] ?? 'no one';
  const passphrase = await source({ owner, fingerprint: fingerprintOf(key) });
  try {
    return await decryptKey({ privateKey: key, passphrase, config: limits });
  } catch (cause) {
    if (!/passphrase/i.test(String(cause))) {
      throw new ClientError('bad-file', `the secret key ${fingerprintOf(key)} is damaged`, {
        cause,
        hint: 'Restore it from a copy with: postern keys import --replace FILE',
      });
    }
    throw new ClientError('wrong-passphrase', `the passphrase does not open the key of ${owner}`, {
      cause,
      hint: 'Try again; nothing was changed.',
    });
  }
}

/** The key under a passphrase. */
export function lock(key: PrivateKey, passphrase: string): Promise<PrivateKey> {
  return encryptKey({ privateKey: key, passphrase });
}
