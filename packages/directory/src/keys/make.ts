import { existsSync } from 'node:fs';
import type { AuthorityKey } from '@postern/protocol/consensus';
import { AuthorityError } from '../errors.ts';
import { type CertifyOptions, certify, usualDays } from './certify.ts';
import { authorityPath, createIdentity, identityPath } from './identity.ts';

/** Makes the keys of a new authority: identity, first signing key, its certificate. Replaces none. */
export async function makeKeys(
  options: Omit<CertifyOptions, 'identity' | 'days'> & { readonly days?: number },
): Promise<{ key: AuthorityKey }> {
  const { dataDir, random, days = usualDays } = options;
  for (const path of [identityPath(dataDir), authorityPath(dataDir)]) {
    if (existsSync(path))
      throw new AuthorityError(
        'already-there',
        `${path} exists already`,
        `An authority keeps its identity key: readers know it by it. Choose another data directory for a new authority. If making this one was cut short, go on with: postern-directory certify --identity ${identityPath(dataDir)}`,
      );
  }
  const identity = await createIdentity(dataDir, random);
  return certify({ ...options, days, identity });
}
