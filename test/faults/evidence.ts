import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readControl } from '@postern/runtime';
import type { NetworkFile } from '@postern/testkit';

/**
 * What the nodes themselves counted. A process counts from its start and takes its counts along when it is killed, so what each was
 * last heard to say is added up: less than there was, and never more.
 */
export interface Evidence {
  /** What the nodes took for the first of its kind: more of it than there was means that a copy passed for new. */
  readonly firsts: { readonly exits: number; readonly fragments: number; readonly messages: number };
  /** Messages put into a Maildir, or found there. */
  readonly deliveries: number;
  /** Packets and envelopes that came a second time and were removed. */
  readonly copies: { readonly replayed: number; readonly duplicate: number };
  /** Whatever a node gave up for good, `stage.outcome` by count. Empty when nothing was lost anywhere. */
  readonly givenUp: Readonly<Record<string, number>>;
}

export interface EvidenceWatch extends AsyncDisposable {
  /** Looks for a last time, and stops. Rejects when a node does not answer: by then all run. */
  stop(): Promise<Evidence>;
}

/** By stage and outcome. */
type Counters = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Outcomes after which somebody else has what a node had, or had it already, or it comes again: all others give it up. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  received: ['accepted', 'deferred'],
  peeled: ['relay', 'exit', 'replayed'],
  forwarded: ['sent', 'deferred', 'refused', 'wrong-pin', 'no-tls', 'no-route', 'no-consensus', 'postponed'],
  unwrapped: ['stored', 'complete', 'duplicate', 'deferred'],
  delivered: ['delivered', 'deferred'],
};

/**
 * Looks at every node's counters beside the killer, whose times do not depend on it. A look is a question to the node's spool, which for a
 * second after has something to do.
 */
export function watchEvidence(read: () => Promise<NetworkFile>, everyMs = 500): EvidenceWatch {
  const heard = new Map<number, Counters>();
  const look = async (): Promise<PromiseSettledResult<void>[]> => {
    const nodes = (await read()).processes.filter(({ role }) => role !== 'authority');
    return Promise.allSettled(
      nodes.map(async ({ pid, dataDir }) => void heard.set(pid, await countersOf(dataDir))),
    );
  };
  const over = new AbortController();
  const watch = async (): Promise<void> => {
    for (;;) {
      await pause(everyMs, undefined, { signal: over.signal });
      await look(); // one that is down does not answer
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  watching.catch(() => undefined); // whoever stops it is told
  return {
    async stop() {
      over.abort();
      await watching;
      const silent = (await look()).find((one) => one.status === 'rejected');
      if (silent !== undefined) throw silent.reason;
      return sum([...heard.values()]);
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await watching.catch(() => undefined);
    },
  };
}

async function countersOf(dataDir: string): Promise<Counters> {
  const status: { counters: Counters } = JSON.parse(
    await readControl(join(dataDir, 'control.sock'), '/status'),
  );
  return status.counters;
}

function sum(all: readonly Counters[]): Evidence {
  const of = (stage: string, outcome: string): number =>
    all.reduce((total, counters) => total + (counters[stage]?.[outcome] ?? 0), 0);
  const given: Record<string, number> = {};
  for (const [stage, outcomes] of all.flatMap((counters) => Object.entries(counters)))
    for (const outcome of Object.keys(outcomes))
      if (harmless[stage]?.includes(outcome) !== true) given[`${stage}.${outcome}`] = of(stage, outcome);
  const messages = of('unwrapped', 'complete');
  return {
    firsts: { exits: of('peeled', 'exit'), fragments: of('unwrapped', 'stored') + messages, messages },
    deliveries: of('delivered', 'delivered'),
    copies: { replayed: of('peeled', 'replayed'), duplicate: of('unwrapped', 'duplicate') },
    givenUp: Object.fromEntries(Object.entries(given).filter(([, count]) => count > 0)),
  };
}
