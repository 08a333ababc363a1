import { Counter, Gauge, Registry } from 'prom-client';
import { fraction, type Random, systemRandom } from './random.ts';
import { version } from './version.ts';

/** Counts outcomes. No label may name a peer, a person, a message or a route. */
export interface OutcomeCounter {
  /** Counts one of `outcome`; its series grows only by those that are new. */
  add(outcome: string, options?: { readonly again?: boolean }): void;
  /** What was counted since the start, by outcome, exactly, again or not: for whoever owns the process, and never exported. */
  values(): Record<string, number>;
}

export interface OutcomeOptions {
  /** `steps` unless what is counted is public anyway. */
  readonly shown?: 'steps' | 'exactly';
  /** Outcomes that have no series: what is counted often for one thing says how long it waits. */
  readonly unshown?: readonly string[];
}

export interface Metrics {
  /** A counter with the one label `outcome`; every outcome that has a series shows from the start, as 0. */
  outcomes(name: string, help: string, outcomes: readonly string[], options?: OutcomeOptions): OutcomeCounter;
  /** A value that is read for each snapshot. While there is none, or reading fails, the series is absent. */
  gauge(name: string, help: string, read: () => Reading | Promise<Reading>): void;
  /** Says which release runs, by the label `version`. */
  release(name: string): void;
  /** What is to be exported, in Prometheus text exposition format 0.0.4. */
  text(): Promise<string>;
}

type Reading = number | undefined;

/** What a counter's series grows by at a time. */
export const counterStep = 64;

/** A registry of its own: nothing of the process (memory, CPU, handles) is exported, since that follows the load. */
export function createMetrics(random: Random = systemRandom): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    outcomes(name, help, outcomes, { shown = 'steps', unshown = [] } = {}) {
      const counter = new Counter({ name, help, labelNames: ['outcome'], registers });
      const step = shown === 'steps' ? counterStep : 1;
      const counts = new Map(
        outcomes.map((outcome) => [outcome, { exact: 0, untilStep: drawStep(step, random) }]),
      );
      const hidden = new Set(unshown);
      for (const outcome of outcomes) if (!hidden.has(outcome)) counter.inc({ outcome }, 0);
      return {
        add(outcome, { again = false } = {}) {
          const count = counts.get(outcome);
          if (count === undefined) throw new TypeError(`${name} has no outcome ${outcome}`);
          count.exact += 1;
          if (again || hidden.has(outcome)) return;
          count.untilStep -= 1;
          if (count.untilStep > 0) return;
          counter.inc({ outcome }, step);
          count.untilStep = drawStep(step, random);
        },
        values: () => Object.fromEntries([...counts].map(([outcome, { exact }]) => [outcome, exact])),
      };
    },
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers,
        async collect() {
          const value = await Promise.resolve()
            .then(read)
            .catch(() => undefined);
          if (value === undefined) this.remove();
          else this.set(value);
        },
      });
    },
    release(name) {
      const help = 'Always 1; the release that runs.';
      new Gauge({ name, help, labelNames: ['version'], registers }).set({ version }, 1);
    },
    text: () => registry.metrics(),
  };
}

/**
 * How many more have to be counted until the series grows: with equal chance anything from half a step to one and a half. A step's place so tells
 * nobody whether one more or one less was counted, even if they know all others, and on average the series is right.
 */
function drawStep(step: number, random: Random): number {
  if (step === 1) return 1;
  return step / 2 + Math.floor(fraction(random) * (step + 1));
}
