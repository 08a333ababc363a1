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
  count<S extends CounterStage>(stage: S, outcome: Outcome<S>): void;
  /** Counts since the start, by stage and outcome: exact, for the operator alone. */
  values(): Promise<Record<CounterStage, Record<string, number>>>;
}

const help: Record<CounterStage, string> = {
  received: 'Carriages by what SMTP answered; discarded: what was accepted and dropped.',
  peeled: 'Packets by what their layer held or why they were refused.',
  forwarded:
    'Attempts to hand a packet over, by outcome; expired, no-mix and no-part ones are dropped, postponed ones were not tried.',
  unwrapped: 'Envelopes by what they held or why they were refused; deferred ones are tried again.',
  submitted: 'Carriages of authors by what SMTP answered.',
  logins: 'Logins of authors by what SMTP answered.',
  returned: 'Reports of other mail servers, by what became of them.',
  complained: 'Complaints to authors’ domains, by what became of them.',
  delivered: 'Deliveries by outcome; incomplete and undelivered ones expired.',
};

export function createCounters(metrics: Metrics): Counters {
  const stages = Object.keys(outcomes) as CounterStage[];
  const counters = Object.fromEntries(
    stages.map((stage) => [
      stage,
      metrics.outcomes(`postern_node_${stage}_total`, help[stage], outcomes[stage]),
    ]),
  ) as Record<CounterStage, OutcomeCounter>;
  return {
    count: (stage, outcome) => counters[stage].add(outcome),
    async values() {
      const entries = stages.map((stage) => [stage, counters[stage].values()]);
      return Object.fromEntries(entries) as Record<CounterStage, Record<string, number>>;
    },
  };
}
