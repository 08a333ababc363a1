import type { Fragment } from '@postern/protocol/envelope';
import { join } from '@postern/protocol/envelope';
import type { Clock, Log, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import type { Counters } from '../counters.ts';
import type { Lifetime } from '../lifetime.ts';
import { startPuller } from '../puller.ts';
import type { Complete, Spool } from '../spool.ts';
import type { Stage } from '../stage.ts';

export interface DeliverContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  readonly lifetime: Lifetime;
  readonly domain: string;
  readonly findMailbox: (recipient: string) => string | undefined;
  readonly mailSystem: MailSystem;
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
  | { readonly kind: 'refused' };

/** Messages in memory at one time: one may have some 35 MB. */
const atOnce = 2;
const retryPause = { firstMs: 1_000, mostMs: 900_000 };

/**
 * Joins complete sets and delivers them, until each set expires. A crash between delivery and its being remembered repeats the
 * delivery; a Maildir notices. `take` resolves at once.
 */
export function deliver(context: DeliverContext): Stage<readonly Complete[]> {
  const { clock, random, log, spool, counters, lifetime, mailSystem } = context;
  let working = true;
  const note = (put: Put): void => {
    if (put.kind === 'deferred' && working) log.warn('delivery fails', { why: put.why });
    if (put.kind === 'delivered' && !working) log.info('delivery works again');
    if (put.kind === 'refused') log.error('the mail system refuses a message for good');
    else working = put.kind === 'delivered';
  };

  const drop = async (set: Complete, outcome: 'unjoinable' | 'undelivered' | 'refused'): Promise<void> => {
    await spool.sets.finish(set.id);
    counters.count('delivered', outcome);
  };

  const work = async (set: Complete): Promise<void> => {
    if (lifetime.stopping.aborted) return spool.sets.release([set.id]);
    if (clock.now() >= set.expiresMs) return drop(set, 'undelivered');
    const fragments = await spool.sets.read(set.id);
    if (fragments === undefined) return;
    const message = messageFrom(fragments, context);
    if (message === undefined) return drop(set, 'unjoinable');
    const put = await mailSystem.put({ setId: set.id, ...message });
    note(put);
    if (put.kind === 'refused') return drop(set, 'refused');
    counters.count('delivered', put.kind);
    if (put.kind === 'delivered') await spool.sets.finish(set.id);
    else await spool.sets.retry(set.id, clock.now() + jitteredBackoff(set.attempts, retryPause, random));
  };

  const puller = startPuller<Complete>({
    clock,
    log,
    trouble: 'messages could not be taken from the spool',
    shelf: spool.sets,
    most: atOnce,
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

/** The sealed message as it is, behind the two trace fields of its delivery (RFC 5321 section 4.4). */
function messageFrom(
  fragments: readonly Fragment[],
  { domain, findMailbox }: DeliverContext,
): { local: string; bytes: Uint8Array } | undefined {
  const joined = join(fragments);
  const recipient = fragments[0]?.recipient;
  const local = recipient === undefined ? undefined : findMailbox(recipient);
  if (joined.kind !== 'joined' || local === undefined) return undefined;
  const trace = `Return-Path: <>\r\nDelivered-To: ${local}@${domain}\r\n`;
  return { local, bytes: Buffer.concat([Buffer.from(trace, 'ascii'), joined.sealed]) };
}
