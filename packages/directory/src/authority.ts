import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  assertTrust,
  decodeConsensus,
  epochAt,
  type Parameters,
  signParameters,
  staleEpochs,
  verifyConsensus,
  writeGeometry,
} from '@postern/protocol/consensus';
import {
  type Clock,
  createMetrics,
  exportMetrics,
  type Log,
  type Random,
  requirePrivateDirectory,
} from '@postern/runtime';
import type { Exchange } from './agree/peers.ts';
import type { Alarm } from './alarms.ts';
import { ask } from './ask.ts';
import type { Certificates } from './client/certificates.ts';
import type { AuthorityConfig } from './config.ts';
import { explain, type Holdup } from './due.ts';
import { type Epochs, startEpochs } from './epochs.ts';
import { AuthorityError } from './errors.ts';
import { authorityPath, readAuthority } from './keys/identity.ts';
import { makeKeys } from './keys/make.ts';
import { isEnding, startReminder } from './keys/reminder.ts';
import { openSigningKeys, type SigningKeys } from './keys/signing.ts';
import { createCheckpoint, openLog } from './log/log.ts';
import { addGauges, type Counters, createCounters } from './observe.ts';
import { openPeerCertificates } from './peer-certificates.ts';
import { publish } from './publish/publish.ts';
import { rateLimits } from './register/limits.ts';
import { register } from './register/register.ts';
import { type AuthorityStore, type Issued, openStore } from './store.ts';

export interface AuthorityDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** An epoch that the operator has found to be right: the clock may leave the last consensus behind as far as that. */
  readonly confirmedEpoch?: number;
  /** How other authorities are spoken to; by HTTP unless given. */
  readonly exchange?: Exchange;
  /** Closes the authority when it aborts. */
  readonly signal?: AbortSignal;
}

/** An authority at work. Closing it stops taking requests, lets those under way finish and closes the store. */
export interface RunningAuthority extends AsyncDisposable {
  /** Where it serves, without a slash at the end. */
  readonly url: string;
  /** The verifier key that readers have. */
  readonly vkey: string;
  status(): AuthorityStatus;
  /** Prometheus text, as of the last snapshot. */
  metrics(): string;
  close(): Promise<void>;
}

export interface AuthorityStatus {
  readonly name: string;
  readonly url: string;
  readonly vkey: string;
  /** By its clock. */
  readonly epoch: number;
  readonly registered: number;
  /** So many must have registered for the first consensus. */
  readonly bootstrapNodes: number;
  /** The other authorities; none for one that agrees with itself. */
  readonly peers: readonly PeerStatus[];
  /** How many authorities have to sign. */
  readonly threshold: number;
  /** What an operator has to know of. */
  readonly alarms: readonly Alarm[];
  /** Until when it can sign. */
  readonly signingKey: { readonly until: string; readonly ending: boolean };
  /** Why there is no consensus of this epoch yet. */
  readonly heldUp?: { readonly reason: Holdup['kind']; readonly why: string };
  /** The newest consensus, unless there is none yet. */
  readonly consensus?: { readonly epoch: number; readonly digest: string; readonly freshUntil: string };
  /** Outcomes since the start. */
  readonly counters: Readonly<Record<keyof Counters, Readonly<Record<string, number>>>>;
}

export interface PeerStatus {
  readonly name: string;
  readonly url: string;
  /** Whether it has answered the last question. */
  readonly answers: boolean;
  /** How far its clock is ahead, seconds; absent until it has said. */
  readonly aheadSeconds?: number;
}

/**
 * Runs an authority: takes descriptors, agrees on a consensus for every epoch, alone or with others, publishes. An empty data directory
 * gets keys. Throws `AuthorityError` when the data directory is in use, damaged, or another authority's, `UserError` when others may get
 * at what lies there, or an address cannot be had.
 */
export async function startAuthority(
  config: AuthorityConfig,
  deps: AuthorityDeps,
): Promise<RunningAuthority> {
  const { clock, signal } = deps;
  signal?.throwIfAborted();
  await requirePrivateDirectory(config.dataDir);
  const keys = await loadKeys(config, deps);
  const { vkey } = keys;
  await using opened = new AsyncDisposableStack();
  const store = opened.use(openStore(join(config.dataDir, 'authority.sqlite')));
  const authorities = [keys.authority, ...config.peers.map(({ key }) => key)];
  assertTrust({ authorities, threshold: config.threshold });
  assertContinues(store, config, keys);
  dropUnwanted(store, config);
  const limits = rateLimits(config.epochSeconds);
  const metrics = createMetrics(deps.random);
  const counters = createCounters(metrics);
  const history = openLog(store);
  const exchange = deps.exchange ?? ask;
  const certificates = openPeerCertificates(config, store, clock);
  const epochs = opened.use(
    startEpochs({
      ...deps,
      config,
      keys,
      authorities,
      certificates,
      store,
      history,
      counters,
      exchange,
      parameters: signedParameters(config, clock, keys),
    }),
  );
  addGauges(metrics, { config, clock, store, keys, alarms: () => epochs.alarms.length });
  opened.use(startReminder({ ...deps, keys }));

  const server = await publish(config.listen, {
    register(signed) {
      const outcome = register(signed, { config, store, limits, now: clock.now() });
      counters.descriptors.add(outcome.kind === 'refused' ? outcome.reason : outcome.kind);
      if (outcome.kind === 'registered') epochs.conclude();
      return outcome;
    },
    current: () => currentOf(store, epochNow(config, clock)),
    issued: (epoch) => store.issued(epoch),
    history,
    checkpoint: createCheckpoint(history, () => keys.signerFor(Math.floor(clock.now() / 1_000))),
    parameters: epochs.parameters,
    certificates: () => certificatesOf(keys, certificates, clock),
    allCertificates: () => [...keys.own(), ...certificates.held()].map(({ signed }) => signed),
    isOpen: (epoch) => config.peers.length > 0 && epoch >= epochNow(config, clock),
    now: () => clock.now(),
    receiveBallot: epochs.receiveBallot,
    receiveSigned: epochs.receiveSigned,
    holdings: () => holdingsOf(store),
    record: epochs.record,
    signedFor: epochs.signedFor,
    descriptor: (digest) => store.body(digest),
    health: () => ({ epoch: epochNow(config, clock), registered: store.registered.size }),
    freshFor(epoch) {
      if (epoch > epochNow(config, clock)) return 0;
      return Math.max(0, Math.floor((epoch + 1) * config.epochSeconds - clock.now() / 1_000));
    },
  });
  opened.defer(() => server.close());
  const exporter = opened.use(
    await exportMetrics({ metrics, clock, random: deps.random, ...config.metrics }),
  );

  const running = opened.move();
  const close = (): Promise<void> => running.disposeAsync();
  signal?.addEventListener('abort', () => void close(), { once: true });
  deps.log.info('serving', { url: server.url });
  return {
    url: server.url,
    vkey,
    metrics: exporter.text,
    status: () => statusOf({ config, clock, store, epochs, counters, keys, url: server.url }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A data directory without keys and without database is a new authority's. */
async function loadKeys(config: AuthorityConfig, { clock, random }: AuthorityDeps): Promise<SigningKeys> {
  const { name, dataDir, epochSeconds } = config;
  const known = await readAuthority(name, dataDir);
  if (known !== undefined) return openSigningKeys(known, dataDir, clock);
  if (existsSync(join(dataDir, 'authority.sqlite')))
    throw new AuthorityError(
      'no-key',
      `${authorityPath(dataDir)} is missing`,
      'Restore it, and the folder signing beside it, from a backup; or make both anew with the identity key: postern-directory certify --identity FILE',
    );
  const now = Math.floor(clock.now() / 1_000);
  const { key } = await makeKeys({ name, dataDir, epochSeconds, now, random });
  return openSigningKeys(key, dataDir, clock);
}

/** Refuses to go on from a consensus that another key signed, or that counted its epochs otherwise. */
function assertContinues(store: AuthorityStore, config: AuthorityConfig, keys: SigningKeys): void {
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
function dropUnwanted(store: AuthorityStore, { revoked, allow }: AuthorityConfig): void {
  for (const id of store.registered.keys()) {
    if (revoked.includes(id) || (allow.length > 0 && !allow.includes(id))) store.remove(id);
  }
}

/** The newest consensus. One that has not begun is no good to anybody while an older one is valid. */
function currentOf(store: AuthorityStore, epoch: number): Issued | undefined {
  const latest = store.latest();
  if (latest === undefined || latest.epoch <= epoch) return latest;
  const begun = store.newestUpTo(epoch);
  return begun !== undefined && epoch <= begun.epoch + staleEpochs ? begun : latest;
}

function holdingsOf(store: AuthorityStore): { first?: number; newest?: number } {
  const [first, newest] = [store.first(), store.latest()];
  return first === undefined || newest === undefined ? {} : { first: first.epoch, newest: newest.epoch };
}

/** Made anew when the signing key changes; undefined while there is none. */
function signedParameters(
  config: AuthorityConfig,
  clock: Clock,
  keys: SigningKeys,
): () => string | undefined {
  let signed: { readonly keyId: number; readonly note: string } | undefined;
  return () => {
    const signer = keys.signerFor(Math.floor(clock.now() / 1_000));
    if (signer === undefined) return undefined;
    if (signed?.keyId !== signer.keyId)
      signed = { keyId: signer.keyId, note: signParameters(parametersOf(config), [signer]) };
    return signed.note;
  };
}

/** Seconds for which a certificate that has ended is still handed out: longer than any consensus is valid. */
const certificateAftermath = 30 * 86_400;

function certificatesOf(keys: SigningKeys, others: Certificates, clock: Clock): string[] {
  const oldest = Math.floor(clock.now() / 1_000) - certificateAftermath;
  return [...keys.own(), ...others.held()].flatMap(({ key, signed }) =>
    key.validUntil > oldest ? [signed] : [],
  );
}

function parametersOf({ epochSeconds, meanDelayMs, geometry }: AuthorityConfig): Parameters {
  return { version: 1, epochSeconds, meanDelayMs, geometry: writeGeometry(geometry) };
}

interface Shown {
  readonly config: AuthorityConfig;
  readonly clock: Clock;
  readonly store: AuthorityStore;
  readonly epochs: Epochs;
  readonly counters: Counters;
  readonly keys: SigningKeys;
  readonly url: string;
}

function statusOf({ config, clock, store, epochs, counters, keys, url }: Shown): AuthorityStatus {
  const latest = store.latest();
  const holdup = epochs.holdup();
  const until = keys.validUntil();
  const own = {
    name: config.name,
    url,
    vkey: keys.vkey,
    epoch: epochNow(config, clock),
    registered: store.registered.size,
    bootstrapNodes: config.bootstrap.nodes,
    peers: config.peers.map(({ name, url }): PeerStatus => {
      const { answeredMs, aheadMs } = epochs.seen.get(name) ?? {};
      const ahead = aheadMs === undefined ? {} : { aheadSeconds: Math.round(aheadMs / 1_000) };
      return { name, url, answers: answeredMs !== undefined, ...ahead };
    }),
    threshold: config.threshold,
    alarms: epochs.alarms,
    signingKey: {
      until: new Date(until * 1_000).toISOString(),
      ending: isEnding(until, clock.now() / 1_000),
    },
    counters: { descriptors: counters.descriptors.values(), consensus: counters.consensus.values() },
    ...(holdup && { heldUp: { reason: holdup.kind, why: explain(holdup) } }),
  };
  if (latest === undefined) return own;
  const freshUntil = new Date((latest.epoch + 1) * config.epochSeconds * 1_000).toISOString();
  return { ...own, consensus: { epoch: latest.epoch, digest: latest.digest, freshUntil } };
}

function epochNow({ epochSeconds }: AuthorityConfig, clock: Clock): number {
  return epochAt(clock.now() / 1_000, epochSeconds);
}
