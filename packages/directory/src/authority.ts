import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  epochAt,
  formatAuthorityKey,
  type Parameters,
  parseAuthorityKey,
  signParameters,
  staleEpochs,
  verifyConsensus,
  writeGeometry,
} from '@postern/protocol/consensus';
import { ed25519 } from '@postern/protocol/primitives';
import {
  type Clock,
  createMetrics,
  exportMetrics,
  type Log,
  type Random,
  requirePrivateDirectory,
} from '@postern/runtime';
import type { AuthorityConfig } from './config.ts';
import { explain, type Holdup } from './due.ts';
import { type Epochs, startEpochs } from './epochs.ts';
import { AuthorityError } from './errors.ts';
import { createKey, keyPath, readKey } from './key.ts';
import { addGauges, type Counters, createCounters } from './observe.ts';
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
  /** Closes the authority when it aborts. */
  readonly signal?: AbortSignal;
}

/** An authority at work. Closing it stops taking requests, lets those under way finish and closes the store. */
export interface RunningAuthority extends AsyncDisposable {
  /** Where it serves, without a slash at the end. */
  readonly url: string;
  /** The verifier key that clients ship. */
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
  /** Why there is no consensus of this epoch yet. */
  readonly heldUp?: { readonly reason: Holdup['kind']; readonly why: string };
  /** The newest consensus, unless there is none yet. */
  readonly consensus?: { readonly epoch: number; readonly digest: string; readonly freshUntil: string };
  /** Outcomes since the start. */
  readonly counters: Readonly<Record<keyof Counters, Readonly<Record<string, number>>>>;
}

/**
 * Runs an authority: takes descriptors, agrees on a consensus as soon as enough nodes have registered and at every epoch's start,
 * publishes. An empty data directory gets a key. Throws `AuthorityError` when the data directory is in use, damaged, or another
 * authority's, `UserError` when others may get at what lies there, or an address cannot be had.
 */
export async function startAuthority(
  config: AuthorityConfig,
  deps: AuthorityDeps,
): Promise<RunningAuthority> {
  const { clock, signal } = deps;
  signal?.throwIfAborted();
  await requirePrivateDirectory(config.dataDir);
  const seed = await loadSeed(config, deps.random);
  const vkey = formatAuthorityKey(config.name, ed25519.publicKey(seed));
  const signer = { name: config.name, seed };
  await using opened = new AsyncDisposableStack();
  const store = opened.use(openStore(join(config.dataDir, 'authority.sqlite')));
  assertContinues(store, config, vkey);
  dropUnwanted(store, config);
  const limits = rateLimits(config.epochSeconds);
  const metrics = createMetrics(deps.random);
  const counters = createCounters(metrics);
  addGauges(metrics, { config, clock, store });
  const epochs = opened.use(startEpochs({ ...deps, config, signer, store, counters }));

  const server = await publish(config.listen, {
    register(signed) {
      const outcome = register(signed, { config, store, limits, now: clock.now() });
      counters.descriptors.add(outcome.kind === 'refused' ? outcome.reason : outcome.kind);
      if (outcome.kind === 'registered') epochs.conclude();
      return outcome;
    },
    current: () => currentOf(store, epochNow(config, clock)),
    issued: (epoch) => store.issued(epoch),
    parameters: signParameters(parametersOf(config), [signer]),
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
    status: () => statusOf({ config, clock, store, epochs, counters, url: server.url, vkey }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A data directory without key and without database is a new authority's. */
async function loadSeed({ dataDir }: AuthorityConfig, random: Random): Promise<Uint8Array> {
  const seed = await readKey(dataDir);
  if (seed !== undefined) return seed;
  if (existsSync(join(dataDir, 'authority.sqlite')))
    throw new AuthorityError(
      'no-key',
      `${keyPath(dataDir)} is missing`,
      'Restore it from a backup. With another key, clients take this for another authority.',
    );
  return (await createKey(dataDir, random)).seed;
}

/** Refuses to go on from a consensus that another key signed, or that counted its epochs otherwise. */
function assertContinues(store: AuthorityStore, config: AuthorityConfig, vkey: string): void {
  const latest = store.latest();
  if (latest === undefined) return;
  const verified = verifyConsensus(latest.signed, {
    authorities: [parseAuthorityKey(vkey)],
    threshold: 1,
    now: latest.epoch * config.epochSeconds,
  });
  if (verified.kind === 'consensus' && verified.consensus.epochSeconds === config.epochSeconds) return;
  if (verified.kind === 'refused' && verified.reason === 'wrong-geometry') return;
  if (verified.kind === 'refused' && verified.reason === 'too-few-signatures')
    throw new AuthorityError(
      'wrong-key',
      'the last consensus in the data directory was signed under another name or key',
      'Name and key of an authority stay as they are. Start a new authority in an empty data directory.',
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

function parametersOf({ epochSeconds, meanDelayMs, geometry }: AuthorityConfig): Parameters {
  return { version: 1, epochSeconds, meanDelayMs, geometry: writeGeometry(geometry) };
}

interface Shown {
  readonly config: AuthorityConfig;
  readonly clock: Clock;
  readonly store: AuthorityStore;
  readonly epochs: Epochs;
  readonly counters: Counters;
  readonly url: string;
  readonly vkey: string;
}

function statusOf({ config, clock, store, epochs, counters, url, vkey }: Shown): AuthorityStatus {
  const latest = store.latest();
  const holdup = epochs.holdup();
  const own = {
    name: config.name,
    url,
    vkey,
    epoch: epochNow(config, clock),
    registered: store.registered.size,
    bootstrapNodes: config.bootstrap.nodes,
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
