import type { SmtpPeer } from '@postern/mail';
import { expect, test } from 'vitest';
import { handOver } from '../src/forward/handover.ts';
import { createLifetime } from '../src/lifetime.ts';
import type { Waiting } from '../src/spool.ts';
import { createTopology } from '../src/topology.ts';
import { createWays, type Way } from '../src/ways.ts';
import { fakeClock, seeded } from './support.ts';

const clock = fakeClock(Date.UTC(2033, 0, 1));
const b = { kind: 'domain', domain: 'b.test', own: true } as const;
const pinned = (port: number): SmtpPeer => ({ host: '127.0.0.1', port, tlsPin: 'ab'.repeat(32) });

const found = async (next: Parameters<ReturnType<typeof createWays>['find']>[0]) => {
  const smarthost = { require: pinned(10_026), prefer: pinned(10_025) };
  const way = await createWays({ clock, topology: createTopology(clock), smarthost }).find(next);
  return way.kind === 'way' ? { key: way.key, ports: way.peers.map(({ port }) => port) } : way.kind;
};

test('a smarthost gets what goes to other domains by the way of its mode, and what a mix passes on not at all', async () => {
  expect(await found(b)).toEqual({ key: 'smarthost 127.0.0.1 10026', ports: [10_026] });
  expect(await found({ ...b, tlsOptional: true })).toEqual({
    key: 'smarthost 127.0.0.1 10025',
    ports: [10_025],
  });
  expect(await found({ kind: 'domain', domain: 'b.test' })).toBe('no-consensus');
});

test('a domain that is out of reach under one mode is not left alone under the other', async () => {
  const ways = createWays({
    clock,
    topology: createTopology(clock),
    findPeers: async (_, tls) =>
      tls === 'prefer' ? { kind: 'found', peers: [pinned(25)] } : { kind: 'unverifiable' },
  });
  expect(await ways.find(b)).toEqual({ kind: 'unverifiable' });
  expect(await ways.find({ ...b, tlsOptional: true })).toMatchObject({ kind: 'way', domain: 'b.test' });
});

test('why a domain cannot be written to is told as it was found', async () => {
  for (const [code, enhanced] of [
    [556, '5.1.10'],
    [554, '5.4.6'],
  ] as const) {
    const findPeers = async () => ({ kind: 'refused' as const, code, enhanced });
    const ways = createWays({ clock, topology: createTopology(clock), findPeers });
    expect(await ways.find(b)).toEqual({ kind: 'no-exchange', status: enhanced });
  }
});

test.each([
  ['of mode require', b, 'if-offered'],
  ['of mode prefer', { ...b, tlsOptional: true }, undefined],
  ['that a mix passes on', { kind: 'domain', domain: 'b.test' } as const, undefined],
])('TLS all the way (RFC 8689) is asked for what goes to a domain %s: %s', async (_, next, requireTls) => {
  const asked: unknown[] = [];
  const sender = {
    send: async (_peer: SmtpPeer, mail: { requireTls?: unknown }) => {
      asked.push(mail.requireTls);
      return { kind: 'sent', secured: true } as const;
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const context = { name: 'gate.a.test', own: { domain: 'a.test', mixes: false }, clock, sender };
  const relay = { id: 'ab'.repeat(16), next, attempts: 0, expiresMs: 0 } as unknown as Waiting;
  const way: Extract<Way, { kind: 'way' }> = { kind: 'way', key: '', peers: [pinned(25)], domain: 'b.test' };
  const parts = { ...context, random: seeded('handover'), lifetime: createLifetime(clock, 1_000) };
  expect(await handOver(parts, relay, way, new Uint8Array(32_768))).toMatchObject({ kind: 'sent' });
  expect(asked).toEqual([requireTls]);
});
