import type { OutgoingMessage, SendResult, SmtpPeer, SmtpSender } from '@postern/mail';
import { expect, test } from 'vitest';
import { type HandOverContext, handOver } from '../src/forward/handover.ts';
import { createServers } from '../src/forward/servers.ts';
import { createLifetime } from '../src/lifetime.ts';
import type { Waiting } from '../src/spool.ts';
import type { Way } from '../src/ways.ts';
import { fakeClock, seeded } from './support.ts';

/** A hand-over to servers that take a connection and say nothing more. */
const clock = fakeClock(Date.UTC(2033, 0, 1));
const lifetime = createLifetime(clock, 1_000);
const peers = Array.from(
  { length: 10 },
  (_, at): SmtpPeer => ({
    host: `1.1.1.${at}`,
    port: 25,
    tls: { kind: 'opportunistic' },
  }),
);

const begin = (): { tried: string[]; result: Promise<SendResult | undefined> } => {
  const tried: string[] = [];
  const sender: SmtpSender = {
    send: async ({ host }, { signal }: OutgoingMessage) => {
      tried.push(host);
      const reason = await clock.wait(clock.now() + 100_000, signal).then(
        () => 'timeout' as const,
        () => 'aborted' as const,
      );
      return { kind: 'deferred', reason, maybeDelivered: false };
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const context: HandOverContext = { name: 'mix.test', clock, random: seeded('handover'), sender, lifetime };
  const relay = { id: 'ab'.repeat(16), next: { kind: 'domain', domain: 'b.test' } } as Waiting;
  const way: Extract<Way, { kind: 'way' }> = { kind: 'way', key: '', peers, domain: 'b.test' };
  return { tried, result: handOver(context, relay, way, new Uint8Array(32_768), createServers(context)) };
};

test('a hand-over to many silent servers ends in time, as one that failed', async () => {
  const { tried, result } = begin();
  await clock.advance(240_000);
  expect(await result).toEqual({ kind: 'deferred', reason: 'timeout', maybeDelivered: false });
  expect(tried).toEqual(['1.1.1.0', '1.1.1.1', '1.1.1.2']);
});

test('one that is cut off because the node ends has not failed', async () => {
  const { result } = begin();
  lifetime.stop();
  await clock.advance(1_000);
  expect(await result).toMatchObject({ reason: 'aborted' });
});
