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

/**
 * The key in the clear, in memory. Passphrases given before are tried first, and the one given now joins them: several keys may have one,
 * and a descriptor gives it once. Throws `wrong-passphrase` or `bad-file`.
 */
export async function unlock(
  key: PrivateKey,
  source: PassphraseSource,
  given: Set<string>,
): Promise<PrivateKey> {
  if (key.isDecrypted()) return key;
  for (const passphrase of given) {
    const opened = await unlockWith(key, passphrase).catch(unlessWrong);
    if (opened !== undefined) return opened;
  }
  const owner = ownerOf(key);
  const passphrase = await source({ owner, fingerprint: fingerprintOf(key) });
  if (given.has(passphrase)) throw wrongPassphrase(owner);
  given.add(passphrase);
  return unlockWith(key, passphrase);
}

async function unlockWith(key: PrivateKey, passphrase: string): Promise<PrivateKey> {
  try {
    return await decryptKey({ privateKey: key, passphrase, config: limits });
  } catch (cause) {
    if (!/passphrase/i.test(String(cause))) {
      throw new ClientError('bad-file', `the secret key ${fingerprintOf(key)} is damaged`, {
        cause,
        hint: 'Restore it from a copy with: postern keys import --replace FILE',
      });
    }
    throw wrongPassphrase(ownerOf(key), cause);
  }
}

function wrongPassphrase(owner: string, cause?: unknown): ClientError {
  return new ClientError('wrong-passphrase', `the passphrase does not open the key of ${owner}`, {
    cause,
    hint: 'Try again; nothing was changed.',
  });
}

function unlessWrong(error: unknown): undefined {
  if (!isWrongPassphrase(error)) throw error;
}

export function isWrongPassphrase(error: unknown): boolean {
  return error instanceof ClientError && error.code === 'wrong-passphrase';
}

function ownerOf(key: PrivateKey): string {
  return key.getUserIDs()[0] ?? 'no one';
}

/** The key under a passphrase. */
export function lock(key: PrivateKey, passphrase: string): Promise<PrivateKey> {
  return encryptKey({ privateKey: key, passphrase });
}
