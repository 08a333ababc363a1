import { Counter, Registry } from 'prom-client';

/** Counts outcomes. No label may name a peer, a person, a message or a route. */
export interface OutcomeCounter {
  /** Adds one to the series of `outcome`. */
  add(outcome: string): void;
  /** What was counted since the start, by outcome. */
  values(): Promise<Record<string, number>>;
}

export interface Metrics {
  /** A counter with the one label `outcome`; every outcome shows from the start, as 0. */
  outcomes(name: string, help: string, outcomes: readonly string[]): OutcomeCounter;
  /** Prometheus text exposition format 0.0.4. */
  text(): Promise<string>;
}

/** A registry of its own: nothing of the process (memory, CPU, versions) is exported. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  return {
    outcomes(name, help, outcomes) {
      const counter = new Counter({ name, help, labelNames: ['outcome'], registers: [registry] });
      for (const outcome of outcomes) counter.inc({ outcome }, 0);
      return {
        add: (outcome) => counter.inc({ outcome }),
        async values() {
          const { values } = await counter.get();
          return Object.fromEntries(values.map(({ labels, value }) => [String(labels.outcome), value]));
        },
      };
    },
    text: () => registry.metrics(),
  };
}
