import type { VerifiedConsensus } from '@postern/directory/client';
import type { NodeEntry } from '@postern/protocol/consensus';
import { expect, test } from 'vitest';
import { createTopology, type Topology } from '../src/topology.ts';
import { consensusOf } from './peers.ts';
import { fakeClock } from './support.ts';

const hour = 3_600_000;
const start = 500_000 * hour;
const id = 'ab'.repeat(32);
const mix = (change: Partial<NodeEntry> = {}): NodeEntry => ({
  id,
  name: 'mix1.test',
  roles: ['mix'],
  smtp: { host: 'mix1.test', port: 25 },
  tlsPins: [''],
  family: '',
  domains: [],
  mirror: '',
  layer: 1,
  mixKey: '',
  capacity: 64,
  ...change,
});
const gateway = mix({ roles: ['delivery'], domains: ['b.test'], layer: 0, capacity: 0 });
const at = (epochs: number, nodes: readonly NodeEntry[]): VerifiedConsensus =>
  consensusOf(nodes, start + epochs * hour);
const portOf = (topology: Topology): number | string => {
  const found = topology.find({ kind: 'node', id });
  return found.kind === 'found' ? found.entry.smtp.port : found.kind;
};

test('a mix that is not drawn any more is found as long as packets for it may be under way', async () => {
  const clock = fakeClock(start);
  const topology = createTopology(clock);
  topology.update(at(0, [mix()]));
  const seen: unknown[] = [];
  for (let epoch = 1; epoch <= 4; epoch++) {
    await clock.advance(hour);
    topology.update(at(epoch, []));
    seen.push([portOf(topology), topology.mixNamed('mix1.test').kind]);
  }
  expect(seen).toEqual([...Array(3).fill([25, 'mix']), ['no-route', 'no-route']]);
});

test('nothing is found by a consensus that has not begun by the clock, but for a minute that it may be behind', () => {
  const clock = fakeClock(start);
  const topology = createTopology(clock);
  topology.update(at(0, [mix()]));
  const foundAt = (ms: number): unknown[] => {
    clock.set(ms);
    return [topology.valid()?.consensus.epoch, portOf(topology), topology.mixNamed('mix1.test').kind];
  };
  expect(foundAt(start - 60_000)).toEqual([500_000, 25, 'mix']);
  expect(foundAt(start - 60_001)).toEqual([undefined, 'no-consensus', 'no-consensus']);
  expect(foundAt(start - 24 * hour)).toEqual([undefined, 'no-consensus', 'no-consensus']);
  expect(foundAt(start)).toEqual([500_000, 25, 'mix']);
});

test('the newest word of a mix counts', async () => {
  const clock = fakeClock(start);
  const topology = createTopology(clock);
  topology.update(at(0, [mix()]));
  await clock.advance(hour);
  topology.update(at(1, [mix({ smtp: { host: 'mix1.test', port: 26 } })]));
  await clock.advance(hour);
  topology.update(at(2, []));
  expect(portOf(topology)).toBe(26);
});

test('a node that delivers now, and was a mix, takes packets still; one that never was takes none', async () => {
  const clock = fakeClock(start);
  const topology = createTopology(clock);
  topology.update(at(0, [mix()]));
  await clock.advance(hour);
  topology.update(at(1, [gateway]));
  expect(portOf(topology)).toBe(25);
  const other = createTopology(clock);
  other.update(at(1, [gateway]));
  expect([portOf(other), other.mixNamed('mix1.test').kind]).toEqual(['no-mix', 'no-mix']);
});

test('a gateway is found by the newest consensus alone', async () => {
  const clock = fakeClock(start);
  const topology = createTopology(clock);
  topology.update(at(0, [gateway]));
  const next = { kind: 'domain', domain: 'b.test' } as const;
  expect(topology.find(next).kind).toBe('found');
  await clock.advance(hour);
  topology.update(at(1, []));
  expect(topology.find(next).kind).toBe('no-route');
});

test('what an earlier run has taken counts as well, and nothing does without a consensus', async () => {
  const clock = fakeClock(start + 2 * hour);
  const topology = createTopology(clock);
  topology.update(at(2, []), [at(0, [mix()]).consensus]);
  expect(portOf(topology)).toBe(25);
  topology.update(undefined);
  expect(portOf(topology)).toBe('no-consensus');
  topology.update(at(2, []));
  expect(portOf(topology)).toBe(25);
  await clock.advance(3 * hour);
  expect(portOf(topology)).toBe('no-consensus');
});
