import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readControl } from '@postern/runtime';
import type { NetworkFile, NetworkProcess } from '@postern/testkit';
import { type Counts, givenUp } from './outcomes.ts';

/**
 * What the nodes themselves counted. A process counts from its start and takes its counts along when it is killed, so what each was
 * last heard to say is added up: less than there was, and never more.
 */
export interface Evidence {
  /** What the nodes took for the first of its kind: more of it than there was means that a copy passed for new. */
  readonly firsts: Firsts;
  /** Messages put into a Maildir, or found there. */
  readonly deliveries: number;
  /** Packets and envelopes that came a second time and were removed. */
  readonly copies: { readonly replayed: number; readonly duplicate: number };
  /** Whatever a node gave up for good, `stage.outcome` by count. Empty when nothing was lost anywhere. */
  readonly givenUp: Readonly<Record<string, number>>;
}

export interface Firsts {
  /** Packets at the last mix. */
  readonly exits: number;
  /** At the gateway. */
  readonly fragments: number;
  readonly messages: number;
}

export interface EvidenceWatch extends AsyncDisposable {
  /** Looks at one process, which is about to be killed: what it counts after that is not heard of. */
  look(pid: number): Promise<void>;
  /** Looks for a last time, and stops. Rejects when a node does not answer: by then all run. */
  stop(): Promise<Evidence>;
}

/** A process of a node. */
export type Counting = Pick<NetworkProcess, 'pid' | 'dataDir'>;

/** One that does not answer within that time is busy, or has died before. */
const mostLookMs = 2_000;
/** Of what was sent, what must have been counted at least for the count to say anything. */
const leastShare = 0.5;

/**
 * Looks at every node's counters beside the killer, whose times do not depend on it. A look is a question to the node's spool, which for a
 * second after has something to do.
 */
export function watchEvidence(
  read: () => Promise<readonly Counting[]> | readonly Counting[],
  everyMs = 500,
): EvidenceWatch {
  const heard = new Map<number, Counts>();
  const lookAt = async ({ pid, dataDir }: Counting): Promise<void> =>
    void heard.set(pid, await countsOf(dataDir));
  const lookAtAll = async (): Promise<PromiseSettledResult<void>[]> =>
    Promise.allSettled((await read()).map(lookAt));
  const over = new AbortController();
  const watch = async (): Promise<void> => {
    for (;;) {
      await pause(everyMs, undefined, { signal: over.signal });
      await lookAtAll(); // one that is down does not answer
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  watching.catch(() => undefined); // whoever stops it is told
  return {
    async look(pid) {
      const one = (await read()).find((each) => each.pid === pid);
      if (one === undefined) return;
      await Promise.race([lookAt(one).catch(() => undefined), pause(mostLookMs, undefined, { ref: false })]);
    },
    async stop() {
      over.abort();
      await watching;
      const silent = (await lookAtAll()).find((one) => one.status === 'rejected');
      if (silent !== undefined) throw silent.reason;
      return sum([...heard.values()]);
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await watching.catch(() => undefined);
    },
  };
}

/** Those of a network that count what passes. */
export function nodesOf({ processes }: NetworkFile): readonly NetworkProcess[] {
  return processes.filter(({ role }) => role !== 'authority');
}

/** How much of what was sent was counted, and what is wrong with that: a copy that passed for new, or too little to say that there was none. */
export function judgeFirsts(
  { exits, fragments }: Firsts,
  sent: number,
): { readonly counted: string; readonly wrong: readonly string[] } {
  const wrong = Object.entries({ packets: exits, fragments }).flatMap(([what, count]) => {
    if (count > sent) return [`${count - sent} ${what} passed for new`];
    return count < sent * leastShare ? [`only ${count} of ${sent} ${what} were counted`] : [];
  });
  return { counted: `counted ${exits} packets and ${fragments} fragments of ${sent}`, wrong };
}

async function countsOf(dataDir: string): Promise<Counts> {
  const status: { counters: Counts } = JSON.parse(
    await readControl(join(dataDir, 'control.sock'), '/status'),
  );
  return status.counters;
}

function sum(all: readonly Counts[]): Evidence {
  const of = (stage: string, outcome: string): number =>
    all.reduce((total, counts) => total + (counts[stage]?.[outcome] ?? 0), 0);
  const messages = of('unwrapped', 'complete');
  return {
    firsts: { exits: of('peeled', 'exit'), fragments: of('unwrapped', 'stored') + messages, messages },
    deliveries: of('delivered', 'delivered'),
    copies: { replayed: of('peeled', 'replayed'), duplicate: of('unwrapped', 'duplicate') },
    givenUp: givenUp(all),
  };
}
