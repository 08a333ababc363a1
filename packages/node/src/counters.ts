import type { Metrics, OutcomeCounter } from '@postern/runtime';

/** Every outcome that is counted, stage by stage. No other label exists: nothing tells peers, people or messages apart. */
const outcomes = {
  received: [
    'accepted',
    'reported',
    'discarded',
    'malformed',
    'loop',
    'wrong-kind',
    'denied',
    'limited',
    'deferred',
  ],
  peeled: [
    'relay',
    'exit',
    'replayed',
    'wrong-length',
    'wrong-suite',
    'wrong-epoch',
    'wrong-layer',
    'bad-header',
    'bad-command',
    'bad-reserved',
    'bad-domain',
    'bad-body',
    'fault',
  ],
  forwarded: [
    'sent',
    'deferred',
    'refused',
    'untrusted',
    'no-tls',
    'no-login',
    'no-route',
    'no-mix',
    'no-consensus',
    'expired',
    'unverifiable',
    'no-exchange',
    'no-part',
    'unlisted',
    'asking',
    'postponed',
  ],
  unwrapped: [
    'stored',
    'complete',
    'duplicate',
    'refused',
    'expired',
    'unknown-mailbox',
    'deferred',
    'told',
    'complaint',
    'known-complaint',
    'unknown-token',
    'fault',
  ],
  submitted: [
    'accepted',
    'malformed',
    'wrong-kind',
    'no-mix',
    'no-consensus',
    'expired',
    'foreign-token',
    'limited',
    'deferred',
  ],
  logins: ['author', 'refused', 'unavailable', 'slowed-down'],
  returned: ['told', 'unknown-token', 'no-failure', 'malformed'],
  complained: ['sent', 'unknown', 'expired', 'no-domain', 'later'],
  delivered: [
    'delivered',
    'deferred',
    'refused',
    'unknown-mailbox',
    'unjoinable',
    'incomplete',
    'undelivered',
    'reported',
  ],
} as const;

type Stages = typeof outcomes;
export type CounterStage = keyof Stages;
export type Outcome<S extends CounterStage> = Stages[S][number];

export interface Counters {
  /** `attempts`: made before, of the same thing, which was counted then. Only what is counted at the first one is exported. */
  count<S extends CounterStage>(stage: S, outcome: Outcome<S>, attempts?: number): void;
  /** Counts since the start, by stage and outcome: exact, for the operator alone. */
  values(): Promise<Record<CounterStage, Record<string, number>>>;
}

/** Counted anew as long as something waits: for the operator alone. */
const unshown: { readonly [S in CounterStage]?: readonly Outcome<S>[] } = {
  forwarded: ['postponed'],
  unwrapped: ['deferred'],
  complained: ['later'],
};

const help: Record<CounterStage, string> = {
  received: 'Carriages by what SMTP answered; discarded: what was accepted and dropped.',
  peeled: 'Packets by what their layer held or why they were refused.',
  forwarded:
    'Packets by what became of the first attempt to hand them over, if that failed, and by how they ended.',
  unwrapped: 'Envelopes by what they held or why they were refused.',
  submitted: 'Carriages of authors by what SMTP answered.',
  logins: 'Logins of authors by what SMTP answered.',
  returned: 'Reports of other mail servers, by what became of them.',
  complained: 'Complaints to authors’ domains, by what became of them.',
  delivered:
    'Messages by what became of them; deferred: the first attempt failed; incomplete and undelivered ones expired.',
};

export function createCounters(metrics: Metrics): Counters {
  const stages = Object.keys(outcomes) as CounterStage[];
  const counters = Object.fromEntries(
    stages.map((stage) => [
      stage,
      metrics.outcomes(`postern_node_${stage}_total`, help[stage], outcomes[stage], {
        unshown: unshown[stage] ?? [],
      }),
    ]),
  ) as Record<CounterStage, OutcomeCounter>;
  return {
    count: (stage, outcome, attempts = 0) => counters[stage].add(outcome, { again: attempts > 0 }),
    async values() {
      const entries = stages.map((stage) => [stage, counters[stage].values()]);
      return Object.fromEntries(entries) as Record<CounterStage, Record<string, number>>;
    },
  };
}
