import type { Fragment } from '@postern/protocol/envelope';
import { uniform } from '@postern/protocol/primitives';
import type { Clock, Log, Random } from '@postern/runtime';
import { backoff } from '../backoff.ts';
import { codeOf } from '../loop.ts';
import type { Failure, Reported, Reporter } from './report.ts';

export interface ReportQueueContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly report: Reporter;
}

/** A failure that somebody's author is to be told of. */
export interface Asked {
  readonly fragment: Fragment;
  readonly failure: Failure;
  /** Told once what came of it: `later` also when there was no room or no time. Rejects only for a fault of the spool. */
  readonly done: (reported: Reported) => Promise<void>;
}

/**
 * Reports that are being made, beside what delivers. Each needs the author's domain to be looked up, and whoever runs that domain decides
 * how long the answer takes: so they are a bounded number, taken in random order, one of a domain at a time, none for longer than
 * its time-out, and a domain that did not answer is left alone for a while. What is too much is given back at random, so that
 * nobody can keep others' out by asking often. In memory alone: the sets stay in the spool.
 */
export interface ReportQueue {
  /** Never waits for a domain. */
  ask(asked: Asked): void;
  /** Gives everything back, and resolves once that is done. */
  close(): Promise<void>;
}

/** Less in all than a claim's lease: what waits last is begun in time. */
const limits = { most: 128, atOnce: 16, timeoutMs: 12_000 };
const domainPause = { firstMs: 30_000, mostMs: 900_000 };
/** Domains that did not answer of which something is remembered. */
const mostSilent = 1_024;

/** How long past a set's expiry its author's domain is looked up: not for ever, since it is one that an author named. */
export const reportTriedMs = 86_400_000;

export function createReportQueue({ clock, random, log, report }: ReportQueueContext): ReportQueue {
  const waiting: Asked[] = [];
  const working = new Set<Promise<void>>();
  const busy = new Set<string>();
  const silent = new Map<string, { readonly times: number; readonly untilMs: number }>();
  const stop = new AbortController();
  let making = 0;

  const track = (work: Promise<void>): void => {
    const tracked = work
      .catch((error: unknown) => log.error('a report could not be stored', { code: codeOf(error) }))
      .finally(() => working.delete(tracked));
    working.add(tracked);
  };
  const giveBack = (asked: Asked): void => track(asked.done({ kind: 'later' }));

  const note = (domain: string, { kind }: Reported): void => {
    const times = silent.get(domain)?.times ?? 0;
    silent.delete(domain);
    if (kind !== 'later' || domain === '') return;
    if (silent.size >= mostSilent) silent.delete(silent.keys().next().value ?? '');
    silent.set(domain, { times: times + 1, untilMs: clock.now() + backoff(times, domainPause) });
    const others = waiting.splice(0);
    for (const asked of others) {
      if (domainOf(asked) === domain) giveBack(asked);
      else waiting.push(asked);
    }
  };

  const make = async (asked: Asked, domain: string): Promise<void> => {
    busy.add(domain);
    const reported = await inTime(report(asked.fragment, asked.failure));
    busy.delete(domain);
    making -= 1;
    if (!stop.signal.aborted) note(domain, reported);
    begin();
    await asked.done(reported);
  };

  const inTime = async (report: Promise<Reported>): Promise<Reported> => {
    const made = new AbortController();
    const late = clock.wait(clock.now() + limits.timeoutMs, AbortSignal.any([stop.signal, made.signal]));
    const reported = await Promise.race([report, late.catch(() => undefined)]);
    made.abort();
    return reported ?? { kind: 'later' };
  };

  const begin = (): void => {
    while (making < limits.atOnce && !stop.signal.aborted) {
      const free = waiting.filter((asked) => !busy.has(domainOf(asked)) || domainOf(asked) === '');
      const asked = free[draw(free.length)];
      if (asked === undefined) return;
      waiting.splice(waiting.indexOf(asked), 1);
      making += 1;
      track(make(asked, domainOf(asked)));
    }
  };
  const draw = (count: number): number => Math.floor(uniform(random) * count);

  return {
    ask(asked) {
      const quiet = clock.now() < (silent.get(domainOf(asked))?.untilMs ?? 0);
      if (stop.signal.aborted || quiet) return giveBack(asked);
      waiting.push(asked);
      begin();
      if (waiting.length > limits.most)
        for (const one of waiting.splice(draw(waiting.length), 1)) giveBack(one);
    },
    async close() {
      stop.abort();
      for (const asked of waiting.splice(0)) giveBack(asked);
      while (working.size > 0) await Promise.all(working);
    },
  };
}

/** The one that is asked, if any is: only the domain that signed the message hears of it (spec report 2.2). */
function domainOf({ fragment }: Asked): string {
  return Buffer.from(fragment.attestation).toString('latin1');
}
