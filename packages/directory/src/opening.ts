import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { decodeConsensus, verifyConsensus } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import type { AuthorityConfig } from './config.ts';
import { AuthorityError } from './errors.ts';
import { authorityPath, readAuthority } from './keys/identity.ts';
import { makeKeys } from './keys/make.ts';
import { openSigningKeys, type SigningKeys, type SigningKeysNews } from './keys/signing.ts';
import type { AuthorityStore } from './store.ts';

/** A data directory without keys and without database is a new authority's. */
export async function loadKeys(
  config: AuthorityConfig,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<SigningKeys> {
  const { name, dataDir, epochSeconds } = config;
  const news: SigningKeysNews = {
    failed: (error) => log.error('signing keys not read', { why: error.message }),
    taken: (until) => log.info('signing key taken', { until: new Date(until * 1_000).toISOString() }),
  };
  const known = await readAuthority(name, dataDir);
  if (known !== undefined) return openSigningKeys(known, dataDir, clock, news);
  if (existsSync(join(dataDir, 'authority.sqlite')))
    throw new AuthorityError(
      'no-key',
      `${authorityPath(dataDir)} is missing`,
      'Restore it, and the folder signing beside it, from a backup; or make both anew with the identity key: postern-directory certify --identity FILE',
    );
  const now = Math.floor(clock.now() / 1_000);
  const { key } = await makeKeys({ name, dataDir, epochSeconds, now, random });
  return openSigningKeys(key, dataDir, clock, news);
}

/** Refuses to go on from a consensus that another key signed, or that counted its epochs otherwise. */
export function assertContinues(store: AuthorityStore, config: AuthorityConfig, keys: SigningKeys): void {
  const latest = store.latest();
  if (latest === undefined) return;
  // where others sign as well, this authority need not have signed it
  if (
    config.peers.length > 0 &&
    decodeConsensus(latest.signed)?.consensus.epochSeconds === config.epochSeconds
  )
    return;
  const verified = verifyConsensus(latest.signed, {
    authorities: [keys.authority],
    threshold: 1,
    signingKeys: keys.own().map(({ key }) => key),
    now: latest.epoch * config.epochSeconds,
  });
  if (verified.kind === 'consensus' && verified.consensus.epochSeconds === config.epochSeconds) return;
  if (verified.kind === 'refused' && verified.reason === 'wrong-geometry') return;
  if (verified.kind === 'refused' && verified.reason === 'too-few-signatures')
    throw new AuthorityError(
      'wrong-key',
      'the last consensus in the data directory was signed by a key of which there is no certificate in signing/',
      'Restore that folder from a backup. Name and identity key of an authority stay as they are: start a new one in an empty data directory.',
    );
  throw new AuthorityError(
    'wrong-epoch',
    'the last consensus in the data directory has another epoch length',
    'An epoch number means a time. Set `epoch` back, or start a new authority in an empty data directory.',
  );
}

/** What the configuration no longer wants is forgotten, and its name is free again. */
export function dropUnwanted(store: AuthorityStore, { revoked, allow }: AuthorityConfig): void {
  const [refused, allowed] = [new Set(revoked), new Set(allow)];
  store.removeAll(
    [...store.registered.keys()].filter((id) => refused.has(id) || (allowed.size > 0 && !allowed.has(id))),
  );
}
