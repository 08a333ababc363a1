import type { DeferredReason, OutgoingMessage, SendResult, SmtpPeer, SmtpSender } from '@postern/mail';
import { expect, test } from 'vitest';
import { type HandOverContext, handOver } from '../src/forward/handover.ts';
import { createServers, type Servers } from '../src/forward/servers.ts';
import { createLifetime } from '../src/lifetime.ts';
import type { Waiting } from '../src/spool.ts';
import type { Way } from '../src/ways.ts';
import { fakeClock, seeded } from './support.ts';

/** A hand-over to servers that take a connection and say nothing more, or ask for the data before that. */
const clock = fakeClock(Date.UTC(2033, 0, 1));
const lifetime = createLifetime(clock, 1_000);
const peerAt = (host: string): SmtpPeer => ({ host, port: 25, tls: { kind: 'opportunistic' } });
const silent = Array.from({ length: 10 }, (_, at) => peerAt(`1.1.1.${at}`));
const good = peerAt('1.0.0.1');
const slow = peerAt('1.0.0.2');
/** All connections to it are others'. */
const busy = peerAt('1.0.0.3');
const sent: SendResult = { kind: 'sent', secured: true };

const begin = (
  peers: readonly SmtpPeer[],
): { tried: string[]; servers: Servers; result: Promise<SendResult | undefined> } => {
  const tried: string[] = [];
  const sender: SmtpSender = {
    send: async ({ host }, { signal, onData }: OutgoingMessage) => {
      tried.push(host);
      if (host === good.host) return sent;
      if (host === slow.host) onData?.();
      await clock.wait(Number.POSITIVE_INFINITY, signal).catch(() => undefined);
      const reason: DeferredReason = host === busy.host ? 'crowded' : 'aborted';
      return { kind: 'deferred', reason, maybeDelivered: host === slow.host };
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

test('a server that has asked for the data gets what is left of the time, however many others there are', async () => {
  const { tried, result } = begin([...silent.slice(0, 1), slow, ...silent.slice(1, 4)]);
  await clock.advance(60_000);
  let ended = false;
  void result.then(() => {
    ended = true;
  });
  await clock.advance(179_999);
  expect(ended).toBe(false);
  await clock.advance(1);
  expect(await result).toEqual({ kind: 'deferred', reason: 'timeout', maybeDelivered: true });
  expect(tried).toEqual(['1.1.1.0', slow.host]);
});

test('a server to which no connection was free has not failed, and the next one is tried', async () => {
  const { result, servers } = begin([busy]);
  await clock.advance(240_000);
  expect(await result).toBeUndefined();
  expect(await servers.run(busy.host, async () => sent)).toEqual(sent);
  const second = begin([busy, good]);
  await clock.advance(120_000);
  expect(await second.result).toEqual(sent);
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

test('a clock that is put ahead cuts no hand-over short, but for a minute, and one that is set back holds none up', async () => {
  const { result } = begin([slow]);
  let over = false;
  void result.then(() => {
    over = true;
  });
  clock.set(clock.now() + 86_400_000);
  await clock.advance(120_000);
  expect(over).toBe(false);
  clock.set(clock.now() - 2 * 86_400_000);
  await clock.advance(120_000);
  expect(await result).toMatchObject({ kind: 'deferred', reason: 'timeout' });
});

test('one that is cut off because the node ends has not failed', async () => {
  const waiting = begin([busy]);
  const { tried, result, servers } = begin(silent);
  lifetime.stop();
  await clock.advance(1_000);
  expect(await result).toMatchObject({ reason: 'aborted' });
  expect(await waiting.result).toMatchObject({ reason: 'aborted' });
  expect(tried).toEqual(['1.1.1.0']);
  expect(await servers.run('1.1.1.0', async () => sent)).toEqual(sent);
});
