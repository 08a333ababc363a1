import { epochAt } from '@postern/protocol/consensus';
import { type Clock, freeRoom, type Metrics, type OutcomeCounter } from '@postern/runtime';
import type { AuthorityConfig } from './config.ts';
import type { SigningKeys } from './keys/signing.ts';
import { registerRefusals } from './registration.ts';
import type { AuthorityStore } from './store.ts';

export interface Counters {
  readonly descriptors: OutcomeCounter;
  readonly consensus: OutcomeCounter;
}

/** Exact ones: they count what nodes say in public, and nobody's mail. */
export function createCounters(metrics: Metrics): Counters {
  return {
    descriptors: metrics.outcomes(
      'postern_directory_descriptors_total',
      'Descriptors posted, by outcome.',
      ['registered', ...registerRefusals],
      { shown: 'exactly' },
    ),
    consensus: metrics.outcomes(
      'postern_directory_consensus_total',
      'Consensus documents, by outcome.',
      ['issued', 'failed'],
      { shown: 'exactly' },
    ),
  };
}

/** What else is exported: all of it is public but the disk, which shows in powers of two. */
export function addGauges(
  metrics: Metrics,
  {
    config,
    clock,
    store,
    keys,
    alarms,
  }: {
    config: AuthorityConfig;
    clock: Clock;
    store: AuthorityStore;
    keys: SigningKeys;
    alarms: () => number;
  },
): void {
  metrics.release('postern_directory_build_info');
  metrics.gauge('postern_directory_epoch', 'The epoch of its clock.', () =>
    epochAt(clock.now() / 1_000, config.epochSeconds),
  );
  metrics.gauge(
    'postern_directory_consensus_epoch',
    'The epoch of the newest consensus; 0 while there is none.',
    () => store.latest()?.epoch ?? 0,
  );
  metrics.gauge(
    'postern_directory_registered_nodes',
    'Nodes that are registered.',
    () => store.registered.size,
  );
  metrics.gauge('postern_directory_alarms', 'Alarms that stand, as `status` shows them.', alarms);
  metrics.gauge('postern_directory_signing_key_expires_seconds', 'Until when it can sign, Unix time.', () =>
    keys.validUntil(),
  );
  metrics.gauge('postern_directory_disk_free_bytes', 'Free on the disk of data_dir, as a power of two.', () =>
    freeRoom(config.dataDir),
  );
}
