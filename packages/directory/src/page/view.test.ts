import {
  type Consensus,
  consensusDigest,
  decodeConsensus,
  descriptorDigest,
  type Registered,
  signConsensus,
  tabulate,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import { appendLeaf, type CompactRange, emptyRange, hashOfLeaf, headOf } from '@postern/protocol/log';
import { testAuthority } from '@postern/protocol/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Issued } from '../store.ts';
import { agendaOf } from '../testing/chain.ts';
import { epochSeconds, FakeClock, start } from '../testing/clock.ts';
import { signedGateway, signedNode } from '../testing/nodes.ts';
import { createView, type View } from './view.ts';

const epoch = 1_000;
const seconds = start / 1_000;
const authorities = [3, 1, 2].map((at) => testAuthority(`authority${at}.test`, { now: seconds }));
const [third, ours, second] = authorities as [
  (typeof authorities)[0],
  (typeof authorities)[0],
  (typeof authorities)[0],
];

let clock: FakeClock;
let issued: Issued[];
let range: CompactRange;
let certified: typeof authorities;
let view: () => View;
beforeEach(() => {
  clock = new FakeClock();
  issued = [];
  range = emptyRange;
  certified = authorities;
  view = createView({
    config: { name: ours.name, epochSeconds, threshold: 2 },
    clock,
    store: {
      latest: () => issued.at(-1),
      newestUpTo: (most) => issued.findLast((one) => one.epoch <= most),
      registered: new Map(),
    },
    history: { head: () => headOf(range) },
    trust: () => ({
      authorities: authorities.map(({ key }) => key),
      signingKeys: certified.map(({ signingKey }) => signingKey),
    }),
    current: () => issued.findLast((one) => one.epoch <= epochNow()),
    alarms: () => [{ kind: 'silent', about: second.name, why: 'no vote' }],
    heldUp: () => 'waits for 3 nodes',
    outages: () => ({ by: [], missed: [] }),
  });
});

function epochNow(): number {
  return Math.floor(clock.now() / 1_000 / epochSeconds);
}

/** Issues the consensus of an epoch for nodes that sign their descriptors at its start. */
function issue(at: number, nodes: readonly ((now: number) => string)[], by = authorities): void {
  const descriptors = nodes.map((sign): Registered => {
    const signed = sign(at * epochSeconds * 1_000);
    const verified = verifyDescriptor(signed);
    if (verified.kind === 'refused') throw new Error(verified.detail);
    return { descriptor: verified.descriptor, digest: descriptorDigest(signed) };
  });
  const previous = issued.at(-1)?.digest ?? '';
  const consensus = tabulate(descriptors, { ...agendaOf(at), previous, log: headOf(range) });
  const digest = consensusDigest(consensus);
  issued.push({ epoch: at, digest, signed: signConsensus(consensus, by) });
  range = appendLeaf(range, hashOfLeaf({ epoch: at, digest }));
}

const mix = (name: string) => (now: number) => signedNode(name, now);
const mixes = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test'].map(mix);
const gateway = (now: number): string => signedGateway('gateway.b.test', now, ['b.test']);
const names = (nodes: readonly { readonly name: string }[] = []): string[] => nodes.map(({ name }) => name);

test('before there is a consensus it has the time, the alarms and an empty log', () => {
  expect(view()).toEqual({
    authority: 'authority1.test',
    now: seconds,
    epoch,
    epochEnds: (epoch + 1) * epochSeconds,
    threshold: 2,
    registered: 0,
    alarms: [{ kind: 'silent', about: 'authority2.test', why: 'no vote' }],
    heldUp: 'waits for 3 nodes',
    outages: { by: [], missed: [] },
    log: headOf(emptyRange),
    consensus: undefined,
    next: undefined,
  });
  clock.advance(59_999);
  expect(view().now).toBe(seconds);
});

test('nodes stand in their layers by name, and gateways that are no mixes apart', () => {
  issue(epoch, [...mixes, gateway]);
  const { consensus, log } = view();
  expect(consensus).toMatchObject({ epoch, previous: '', digest: issued[0]?.digest, changes: undefined });
  expect(consensus?.layers.map(({ layer }) => layer)).toEqual([1, 2, 3]);
  const dealt = consensus?.layers.map(({ nodes }) => names(nodes)) ?? [];
  for (const layer of dealt) expect(layer).toEqual(layer.toSorted());
  expect(dealt.flat().sort()).toEqual(['a.test', 'b.test', 'c.test', 'd.test', 'e.test']);
  expect(names(consensus?.gateways)).toEqual(['gateway.b.test']);
  expect(log.size).toBe(1);
});

test('who is in, who is out and who has moved is told against the consensus before, however long ago', () => {
  issue(epoch - 3, mixes);
  const before = view().consensus?.layers ?? [];
  issue(epoch, [...mixes.slice(1), mix('f.test'), gateway]);
  const { changes, layers = [] } = view().consensus ?? {};
  expect(changes?.since).toBe(epoch - 3);
  expect(names(changes?.joined)).toEqual(['f.test', 'gateway.b.test']);
  expect(names(changes?.left)).toEqual(['a.test']);
  const layerIn = (all: typeof layers, name: string): number | undefined =>
    all.find(({ nodes }) => names(nodes).includes(name))?.layer;
  const expected = ['b.test', 'c.test', 'd.test', 'e.test'].flatMap((name) => {
    const [from, to] = [layerIn(before, name), layerIn(layers, name)];
    return from === to ? [] : [[name, from, to]];
  });
  expect(expected.length).toBeGreaterThan(0);
  expect(changes?.moved.map(({ node, from }) => [node.name, from, node.layer])).toEqual(expected);
});

test('nothing is told against a consensus that this one does not follow on', () => {
  issue(epoch - 1, mixes);
  issue(epoch, mixes);
  issued.splice(0, 1, { ...(issued[0] as Issued), digest: 'f'.repeat(64) });
  expect(view().consensus?.changes).toBeUndefined();
});

describe('signatures', () => {
  const signed = (): (string | boolean)[][] =>
    (view().consensus?.signatures ?? []).map((one) => [one.authority, one.signed]);

  test('are told of every authority, and those that come late as soon as they are here', () => {
    issue(epoch, mixes, [third, ours]);
    expect(signed()).toEqual([
      ['authority1.test', true],
      ['authority2.test', false],
      ['authority3.test', true],
    ]);
    const only = issued[0] as Issued;
    const { consensus } = decodeConsensus(only.signed) ?? {};
    issued[0] = { ...only, signed: signConsensus(consensus as Consensus, authorities) };
    expect(signed().every(([, has]) => has)).toBe(true);
  });

  test('count once there is a certificate of their key', () => {
    issue(epoch, mixes);
    certified = [ours];
    expect(signed().filter(([, has]) => has)).toEqual([['authority1.test', true]]);
    certified = authorities;
    expect(signed().filter(([, has]) => has)).toHaveLength(3);
  });

  test('of the next consensus are told before it begins', () => {
    issue(epoch, mixes);
    issue(epoch + 1, mixes, [ours, second]);
    expect(view().consensus?.epoch).toBe(epoch);
    expect(view().next).toMatchObject({ epoch: epoch + 1 });
    expect(view().next?.signatures.filter((one) => one.signed)).toHaveLength(2);
    clock.advance(epochSeconds * 1_000);
    expect(view().consensus?.epoch).toBe(epoch + 1);
    expect(view().next).toBeUndefined();
  });
});

test('a document is read once for as long as nothing changes', () => {
  issue(epoch, mixes);
  expect(view().consensus).toBe(view().consensus);
});
