import type { Clock, Log, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import type { Counters } from '../counters.ts';
import type { Lifetime } from '../lifetime.ts';
import { startPuller } from '../puller.ts';
import { type ReportQueue, reportTriedMs } from '../report/queue.ts';
import type { Failure, Reported } from '../report/report.ts';
import type { Complete, Spool } from '../spool.ts';
import type { Stage } from '../stage.ts';
import { type MessageContext, messageFrom } from './message.ts';

export interface DeliverContext extends MessageContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  readonly lifetime: Lifetime;
  readonly mailSystem: MailSystem;
  readonly reports: Pick<ReportQueue, 'ask'>;
}

/** Where messages end up: a Maildir, or a mail system behind LMTP. */
export interface MailSystem {
  /**
   * Puts a message into a mailbox, once: a second call with the same `setId` finds the first one's message where the
   * mail system lets it. Durable when it resolves `delivered`. Never rejects.
   */
  put(message: { readonly setId: string; readonly local: string; readonly bytes: Uint8Array }): Promise<Put>;
  close(): Promise<void>;
}

export type Put =
  | { readonly kind: 'delivered' }
  /** `why` is a constant of ours or an error's code, fit for a log. */
  | { readonly kind: 'deferred'; readonly why: string }
  | { readonly kind: 'refused'; readonly failure: Failure };

/** Messages in memory at one time: one may have some 35 MB. */
const atOnce = 2;
const retryPause = { firstMs: 1_000, mostMs: 900_000 };

/**
 * Joins complete sets and delivers them, until each set expires. A crash between delivery and its being remembered repeats the
 * delivery; a Maildir notices. `take` resolves at once.
 */
export function deliver(context: DeliverContext): Stage<readonly Complete[]> {
  const { clock, random, log, spool, counters, lifetime, mailSystem, reports } = context;
  let working = true;
  const note = (put: Put): void => {
    if (put.kind === 'deferred' && working) log.warn('delivery fails', { why: put.why });
    if (put.kind === 'delivered' && !working) log.info('delivery works again');
    if (put.kind === 'refused') log.error('the mail system refuses a message for good');
    else working = put.kind === 'delivered';
  };

  const again = (set: Complete): Promise<void> =>
    spool.sets.retry(set.id, clock.now() + jitteredBackoff(set.attempts, retryPause, random));

  /** The set is over, and its author is told once that can be: beside what is delivered, which does not wait for it. */
  const fail = async (set: Complete, outcome: Failed, failure: Failure): Promise<void> => {
    const end = async (reported: Reported): Promise<void> => {
      if (reported.kind === 'later' && clock.now() < set.expiresMs + reportTriedMs) return again(set);
      await spool.sets.finish(set.id, reported.kind === 'report' ? reported.relay : undefined);
      counters.count('delivered', outcome);
      if (reported.kind === 'report') counters.count('delivered', 'reported');
    };
    const fragment = await spool.sets.returnInfo(set.id);
    if (fragment === undefined) await end({ kind: 'none' });
    else reports.ask({ fragment, failure, done: end });
  };

  const work = async (set: Complete): Promise<void> => {
    if (lifetime.stopping.aborted) return spool.sets.release([set.id]);
    if (clock.now() >= set.expiresMs) return fail(set, 'undelivered', failures.expired);
    const fragments = await spool.sets.read(set.id);
    if (fragments === undefined) return;
    const message = messageFrom(fragments, context);
    if (message.kind !== 'message') return fail(set, message.kind, failures[message.kind]);
    const put = await mailSystem.put({ setId: set.id, ...message });
    note(put);
    if (put.kind === 'refused') return fail(set, 'refused', put.failure);
    if (put.kind === 'delivered') {
      counters.count('delivered', 'delivered');
      return spool.sets.finish(set.id);
    }
    counters.count('delivered', 'deferred', set.attempts);
    await again(set);
  };

  const puller = startPuller<Complete>({
    clock,
    log,
    trouble: 'messages could not be taken from the spool',
    shelf: spool.sets,
    most: atOnce,
    stopping: lifetime.stopping,
    work,
  });

  return {
    async take(sets) {
      const crowded = sets.filter((set) => !puller.offer(set));
      if (crowded.length > 0) await spool.sets.release(crowded.map(({ id }) => id));
    },
    async close() {
      await puller.close();
      await mailSystem.close();
    },
  };
}

type Failed = 'undelivered' | 'refused' | 'unknown-mailbox' | 'unjoinable';

/** RFC 3463: bad mailbox, bad content, delivery time expired. */
const failures = {
  'unknown-mailbox': { status: '5.1.1' },
  unjoinable: { status: '5.6.0' },
  expired: { status: '4.4.7' },
} as const;
