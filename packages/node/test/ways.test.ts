import type { SmtpPeer } from '@postern/mail';
import { expect, test } from 'vitest';
import type { Destination, Destinations } from '../src/destinations.ts';
import { handOver } from '../src/forward/handover.ts';
import { createLifetime } from '../src/lifetime.ts';
import type { Next, NextDomain, Waiting } from '../src/spool.ts';
import { createTopology } from '../src/topology.ts';
import { createWays, type Way } from '../src/ways.ts';
import { consensusOf } from './peers.ts';
import { fakeClock, seeded } from './support.ts';

const clock = fakeClock(Date.UTC(2033, 0, 1));
const b = { kind: 'domain', domain: 'b.test', own: true } as const;
const token = 'ab'.repeat(16);
const pinned = (port: number): SmtpPeer => ({ host: '127.0.0.1', port, tlsPin: 'ab'.repeat(32) });

const found = async (next: NextDomain) => {
  const smarthost = { require: pinned(10_026), prefer: pinned(10_025) };
  const way = await createWays({ topology: createTopology(clock), smarthost }).find({ next });
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

const known = (found: Destination): Destinations => ({ find: () => found, close: async () => undefined });

test('a domain that is out of reach under one mode is not left alone under the other', async () => {
  const exchangers = {
    require: known({ kind: 'unverifiable' }),
    prefer: known({ kind: 'found', peers: [pinned(25)], tls: 'prefer' }),
  };
  const ways = createWays({
    topology: createTopology(clock),
    exchangers: { authors: exchangers, others: exchangers },
  });
  expect(await ways.find({ next: b })).toEqual({ kind: 'unverifiable' });
  expect(await ways.find({ next: { ...b, tlsOptional: true } })).toMatchObject({
    kind: 'way',
    domain: 'b.test',
  });
});

test('an exit for a domain that the consensus does not name has no way of a mix that asks no DNS, by a name of its own', async () => {
  const topology = createTopology(clock);
  topology.update(consensusOf([], clock.now()));
  const exit = { kind: 'domain', domain: 'b.test' } as const;
  const kindOf = async (next: Next, exits?: Destinations): Promise<Way['kind']> =>
    (await createWays({ topology, ...(exits && { exits }) }).find({ next })).kind;
  expect(await kindOf(exit)).toBe('unlisted');
  expect(await kindOf(exit, known({ kind: 'failed' }))).toBe('no-route');
  expect(await kindOf(b)).toBe('no-route');
  expect(await kindOf({ kind: 'node', id: 'ab'.repeat(32) })).toBe('no-route');
});

test('what authors send is looked up apart from what the gateway reports to whoever asks', async () => {
  const leading = known({ kind: 'found', peers: [pinned(25)], tls: 'require' });
  const asking = known({ kind: 'asking' });
  const ways = createWays({
    topology: createTopology(clock),
    exchangers: {
      authors: { require: leading, prefer: leading },
      others: { require: asking, prefer: asking },
    },
  });
  expect(await ways.find({ next: b, token })).toMatchObject({ kind: 'way', byDns: 'authors' });
  expect(await ways.find({ next: b })).toEqual({ kind: 'asking' });
});

test('why a domain cannot be written to is told as it was found', async () => {
  for (const enhanced of ['5.1.10', '5.4.6']) {
    const refused = known({ kind: 'refused', enhanced });
    const exchangers = { require: refused, prefer: refused };
    const ways = createWays({
      topology: createTopology(clock),
      exchangers: { authors: exchangers, others: exchangers },
    });
    expect(await ways.find({ next: b })).toEqual({ kind: 'no-exchange', status: enhanced });
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
