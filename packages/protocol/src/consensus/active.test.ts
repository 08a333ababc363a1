import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agenda, epoch, epochSeconds, gateway, longGateways, mix, registered } from '../testing/network.ts';
import { seeded } from '../testing/seeded.ts';
import type { Consensus, Descriptor } from './documents.ts';
import { isRegistered, proveRegistered } from './rest.ts';
import { nodeId } from './schema.ts';
import { compareText } from './shape.ts';
import { type Agenda, listRest, tabulate } from './tabulate.ts';
import { binnedLoad } from './width.ts';

const width = { least: 2, most: 50, perMix: 1_000 };
const idOf = ({ identityKey }: Descriptor): string => nodeId(identityKey);
const mixes = (count: number, change: (index: number) => Partial<Descriptor> = () => ({})): Descriptor[] =>
  Array.from({ length: count }, (_, index) => mix(`mix${index}.test`, change(index)));
const widest = ({ nodes }: Pick<Consensus, 'nodes'>): number =>
  Math.max(...[1, 2, 3].map((layer) => nodes.filter((node) => node.layer === layer).length));
const active = ({ nodes }: Consensus): string[] =>
  nodes.filter(({ layer }) => layer > 0).map(({ name }) => name);
const of = (at: number, consensus: Pick<Consensus, 'nodes'>) => ({ epoch: at, nodes: consensus.nodes });
const shared = (round: number): Uint8Array => seeded(`round ${round}`).bytes(32);

test('a load is one and the binary logarithm, rounded up', () => {
  const loads = [0, 1, 2, 3, 4, 5, 8, 9, 1_024, 1_025, 2 ** 32, 2 ** 40];
  expect(loads.map(binnedLoad)).toEqual([1, 1, 2, 3, 3, 4, 4, 5, 11, 12, 33, 33]);
});

describe('the width', () => {
  const before = tabulate(registered(mixes(60)), agenda);
  const published = (epoch - 1) * epochSeconds;
  const widthOf = (load: (index: number) => number, change: Partial<Agenda> = {}, at = published): number => {
    const standing = mixes(240, (index) => ({ load: load(index), published: at }));
    const given = { ...agenda, width, earlier: [of(epoch - 2, before), of(epoch - 1, before)], ...change };
    return widest(tabulate(registered(standing), given));
  };

  test.each([
    ['nothing', 1, 2],
    // 60 mixes are 20 of a layer, each of which has had 2^(load - 1)
    ['as many as one mix more is for', 8, 3],
    ['many', 10, 11],
    ['more than can be', 33, 50],
  ])('follows what active mixes say: %s', (_, load, wanted) => {
    expect(widthOf(() => load)).toBe(wanted);
  });

  test('is what the median says: of the 60 that were active, 29 move it nowhere', () => {
    expect(widthOf((index) => (index < 29 ? 33 : 10))).toBe(11);
    expect(widthOf((index) => (index < 29 ? 1 : 10))).toBe(11);
    expect(widthOf((index) => (index < 31 ? 33 : 10))).toBe(50);
  });

  test('does not heed those who were not active, however many they are', () => {
    expect(widthOf((index) => (index < 60 ? 10 : 33))).toBe(11);
  });

  test('does not heed what is of another time', () => {
    const twoLate = widthOf(() => 33, {}, (epoch - 2) * epochSeconds);
    expect(twoLate).toBe(20);
    const now = widthOf(
      () => 33,
      { earlier: [of(epoch - 2, { nodes: [] }), of(epoch - 1, before)] },
      epoch * epochSeconds,
    );
    expect(now).toBe(50);
  });

  test('stays while half of those who were active know nothing, and is the least before there is anything', () => {
    expect(widthOf((index) => (index < 30 ? 10 : 0))).toBe(20);
    expect(widthOf((index) => (index < 31 ? 10 : 0))).toBe(11);
    expect(widthOf(() => 10, { earlier: [] })).toBe(2);
    expect(widthOf(() => 10, { earlier: [of(epoch - 1, before)] })).toBe(20);
  });
});

describe('the active set', () => {
  test('has as many mixes as the width says, and all others are the rest', () => {
    const consensus = tabulate(registered(mixes(100)), { ...agenda, width });
    expect(active(consensus)).toHaveLength(6);
    expect(consensus.nodes).toHaveLength(6);
    expect(consensus.rest.count).toBe(94);
  });

  test('is another one with every shared value, and each mix has an equal chance', () => {
    const seen = new Map<string, number>();
    const all = registered(mixes(12));
    const rounds = 300;
    for (let round = 0; round < rounds; round++)
      for (const name of active(tabulate(all, { ...agenda, width, shared: shared(round) })))
        seen.set(name, (seen.get(name) ?? 0) + 1);
    expect(seen.size).toBe(12);
    // four standard deviations of a binomial with p = 1/2
    for (const count of seen.values()) expect(Math.abs(count - rounds / 2)).toBeLessThan(35);
  });

  test.each([
    [3, 1],
    [4, 1],
    [8, 2],
    [20, 5],
  ])('with a width of %i has at most %i of a family', (wide, most) => {
    const many = mixes(90, (index) => ({ family: index < 60 ? 'op' : '' }));
    const consensus = tabulate(registered(many), { ...agenda, width: { ...width, least: wide, most: wide } });
    expect(consensus.nodes.filter(({ family }) => family === 'op')).toHaveLength(most);
    expect(active(consensus)).toHaveLength(Math.min(wide * 3, 30 + most));
  });

  test('leaves gateways where they are, and a mix that is not drawn its delivery', () => {
    const both = mixes(30, (index) => ({ roles: ['delivery', 'mix'], domains: [`d${index}.test`] }));
    const consensus = tabulate(registered([...both, gateway('gateway.a.test')]), { ...agenda, width });
    expect(consensus.nodes).toHaveLength(31);
    expect(consensus.rest.count).toBe(0);
    const drawn = consensus.nodes.filter(({ layer }) => layer > 0);
    for (const { roles } of drawn) expect(roles).toContain('mix');
    for (const { roles, mixKey, capacity } of consensus.nodes.filter(({ layer }) => layer === 0))
      expect({ roles, mixKey, capacity }).toEqual({ roles: ['delivery'], mixKey: '', capacity: 0 });
    expect(active(consensus)).toHaveLength(6);
  });

  test('comes before gateways where room is short', () => {
    const consensus = tabulate(registered([...longGateways(2_000), ...mixes(6)]), { ...agenda, width });
    expect(active(consensus)).toHaveLength(6);
    expect(consensus.rest.count).toBe(2_006 - consensus.nodes.length);
    expect(consensus.rest.count).toBeGreaterThan(40);
  });
});

describe('the rest', () => {
  const all = registered(mixes(40));
  const given = { ...agenda, width };
  const consensus = tabulate(all, given);
  const listed = listRest(all, given, consensus);

  /** Spec consensus 8.7, written down a second time. */
  function rootOf(leaves: readonly string[]): Buffer {
    const hash = (prefix: number, ...parts: readonly (string | Buffer)[]): Buffer =>
      parts.reduce((sum, part) => sum.update(part), createHash('sha256').update(Buffer.of(prefix))).digest();
    const [first = '', ...others] = leaves;
    if (others.length === 0) return hash(0, first);
    const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
    return hash(1, rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)));
  }

  test('has the root of a tree over ids and digests', () => {
    const entries = new Set(consensus.nodes.map(({ id }) => id));
    const leaves = all
      .map(({ descriptor, digest }) => ({ digest, id: idOf(descriptor) }))
      .filter(({ id }) => !entries.has(id))
      .toSorted((a, b) => compareText(a.id, b.id))
      .map((leaf) => `postern.registered/v1\n${JSON.stringify(leaf)}\n`);
    expect(consensus.rest).toEqual({ count: 34, root: rootOf(leaves).toString('hex') });
  });

  test('has a proof for each node that is in it, and for no other', () => {
    for (const one of listed) {
      const proof = proveRegistered(listed)(one.id);
      if (proof === undefined) throw new Error('no proof');
      expect(isRegistered(one, consensus.rest, proof)).toBe(true);
      expect(isRegistered({ ...one, digest: 'ab'.repeat(32) }, consensus.rest, proof)).toBe(false);
      expect(isRegistered(one, { ...consensus.rest, root: 'cd'.repeat(32) }, proof)).toBe(false);
      expect(isRegistered(one, consensus.rest, { ...proof, at: (proof.at + 1) % 34 })).toBe(false);
      expect(isRegistered(one, consensus.rest, { ...proof, proof: [...proof.proof, 'xy'] })).toBe(false);
    }
    expect(proveRegistered(listed)(consensus.nodes[0]?.id ?? '')).toBeUndefined();
  });

  test('has nobody that does not stand', () => {
    const [revoked = ''] = listed.map(({ id }) => id);
    const silent = registered(
      mixes(40, (index) => (index < 5 ? { published: (epoch - 3) * epochSeconds } : {})),
    );
    expect(tabulate(all, { ...given, revoked: [revoked] }).rest.count).toBe(33);
    expect(tabulate(silent, given).rest.count).toBe(29);
  });

  test('is of nobody where all are entries', () => {
    const { rest } = tabulate(registered(mixes(5)), given);
    expect(rest).toEqual({ count: 0, root: createHash('sha256').digest('hex') });
  });

  test('grows by one node as its root does, whatever the order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: 40 }), (shuffled) => {
        expect(tabulate(shuffled, given).rest).toEqual(consensus.rest);
      }),
      { numRuns: 20 },
    );
  });
});
