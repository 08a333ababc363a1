import { join } from 'node:path';
import { assertTrust, epochAt, type OutageReader } from '@postern/protocol/consensus';
import {
  type Clock,
  createMetrics,
  exportMetrics,
  type Log,
  type Random,
  requirePrivateDirectory,
} from '@postern/runtime';
import { shortKey, tellAuthorities } from './agree/authorities.ts';
import type { Exchange } from './agree/peers.ts';
import { createAlarms } from './alarms.ts';
import { ask } from './ask.ts';
import type { AuthorityConfig } from './config.ts';
import { currentOf, deskOf, signedParameters } from './desk.ts';
import { startEpochs } from './epochs.ts';
import { startReminder } from './keys/reminder.ts';
import { openLog } from './log/log.ts';
import { addGauges, createCounters } from './observe.ts';
import { assertContinues, dropUnwanted, loadKeys } from './opening.ts';
import { noOutages, startOutages } from './outages/outages.ts';
import { reachBySmtp } from './outages/reach.ts';
import type { Reach } from './outages/watch.ts';
import { openPeerCertificates } from './peer-certificates.ts';
import { publish } from './publish/publish.ts';
import { type AuthorityStatus, statusOf } from './status.ts';
import { type Issued, openStore } from './store.ts';

export type { AuthorityStatus } from './status.ts';

export interface AuthorityDeps {
  readonly clock: Clock;
  /** Milliseconds as they pass, whatever the clock is set to; by the clock unless given. */
  readonly uptime?: () => number;
  readonly random: Random;
  readonly log: Log;
  /** An epoch that the operator has found to be right: the clock may leave the last consensus behind as far as that. */
  readonly confirmedEpoch?: number;
  /** How other authorities are spoken to; by HTTP unless given. */
  readonly exchange?: Exchange;
  /** How mixes are tried; by SMTP unless given. */
  readonly reach?: Reach;
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
  const metrics = createMetrics(deps.random);
  const counters = createCounters(metrics);
  const history = openLog(store);
  const exchange = deps.exchange ?? ask;
  const certificates = openPeerCertificates(config, store, clock);
  const alarms = createAlarms(deps.log);
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
      alarms,
      exchange,
      parameters: signedParameters(config, clock, keys),
    }),
  );
  addGauges(metrics, { config, clock, store, keys, alarms: () => alarms.standing.length });
  opened.use(startReminder({ ...deps, keys }));

  const trust = (): OutageReader => ({
    authorities,
    signingKeys: [...keys.own().map(({ key }) => key), ...certificates.keys()],
  });
  const current = (): Issued | undefined =>
    currentOf(store, epochAt(clock.now() / 1_000, config.epochSeconds));
  const { signerFor } = keys;
  const reach = deps.reach ?? reachBySmtp(config.name);
  const outages = config.probe
    ? opened.use(startOutages({ ...deps, config, alarms, reach, exchange, trust, signerFor, current }))
    : noOutages;
  const parts = { config, clock, store, history, keys, certificates, epochs, counters, alarms, outages };
  const desk = deskOf({ ...parts, trust, current });
  const told = tellAuthorities({ authorities, threshold: config.threshold });
  const server = await publish(config.listen, {
    ...desk,
    by: shortKey(keys.authority),
    authorities: () => told,
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
    status: () => statusOf({ ...parts, url: server.url }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
