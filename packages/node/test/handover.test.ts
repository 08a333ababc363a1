import type { OutgoingMessage, SendResult, SmtpPeer, SmtpSender } from '@postern/mail';
import { expect, test } from 'vitest';
import { type HandOverContext, handOver } from '../src/forward/handover.ts';
import { createServers, type Servers } from '../src/forward/servers.ts';
import { createLifetime } from '../src/lifetime.ts';
import type { Waiting } from '../src/spool.ts';
import type { Way } from '../src/ways.ts';
import { fakeClock, seeded } from './support.ts';

/** A hand-over to servers that take a connection and say nothing more. */
const clock = fakeClock(Date.UTC(2033, 0, 1));
const lifetime = createLifetime(clock, 1_000);
const peerAt = (host: string): SmtpPeer => ({ host, port: 25, tls: { kind: 'opportunistic' } });
const silent = Array.from({ length: 10 }, (_, at) => peerAt(`1.1.1.${at}`));
const good = peerAt('1.0.0.1');
const sent: SendResult = { kind: 'sent', secured: true };

const begin = (
  peers: readonly SmtpPeer[],
): { tried: string[]; servers: Servers; result: Promise<SendResult | undefined> } => {
  const tried: string[] = [];
  const sender: SmtpSender = {
    send: async ({ host }, { signal }: OutgoingMessage) => {
      tried.push(host);
      if (host === good.host) return sent;
      await clock.wait(Number.POSITIVE_INFINITY, signal).catch(() => undefined);
      return { kind: 'deferred', reason: 'aborted', maybeDelivered: false };
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const context: HandOverContext = { name: 'mix.test', clock, random: seeded('handover'), sender, lifetime };
  const relay = { id: 'ab'.repeat(16), next: { kind: 'domain', domain: 'b.test' } } as Waiting;
  const way: Extract<Way, { kind: 'way' }> = { kind: 'way', key: '', peers, domain: 'b.test' };
  const servers = createServers(context);
  return { tried, servers, result: handOver(context, relay, way, new Uint8Array(32_768), servers) };
};

test('a hand-over to many silent servers ends in time, as one that failed', async () => {
  const { tried, result } = begin(silent);
  await clock.advance(239_999);
  expect(tried).toEqual(['1.1.1.0', '1.1.1.1', '1.1.1.2', '1.1.1.3']);
  await clock.advance(1);
  expect(await result).toEqual({ kind: 'deferred', reason: 'timeout', maybeDelivered: false });
  expect(tried).toHaveLength(4);
});

test('a silent server has its share of the time, and the next one gets what it did not take', async () => {
  const { tried, result } = begin([...silent.slice(0, 1), good]);
  await clock.advance(119_999);
  expect(tried).toEqual(['1.1.1.0']);
  await clock.advance(1);
  expect(await result).toEqual(sent);
  expect(tried).toEqual(['1.1.1.0', good.host]);
});

test('a silent server is left alone for a while, and one that was not tried is not', async () => {
  const { result, servers } = begin(silent);
  await clock.advance(240_000);
  await result;
  expect(await servers.run('1.1.1.3', async () => sent)).toBeUndefined();
  expect(await servers.run('1.1.1.4', async () => sent)).toEqual(sent);
  await clock.advance(1_000);
  expect(await servers.run('1.1.1.3', async () => sent)).toEqual(sent);
});

test('one that is cut off because the node ends has not failed', async () => {
  const { tried, result, servers } = begin(silent);
  lifetime.stop();
  await clock.advance(1_000);
  expect(await result).toMatchObject({ reason: 'aborted' });
  expect(tried).toEqual(['1.1.1.0']);
  expect(await servers.run('1.1.1.0', async () => sent)).toEqual(sent);
});
