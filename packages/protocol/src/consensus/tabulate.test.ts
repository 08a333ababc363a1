import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeHex } from '../codec/hex.ts';
import { ProtocolError } from '../errors.ts';
import { geometry as createGeometry, defaultGeometry } from '../packet/index.ts';
import {
  agenda,
  before,
  epoch,
  epochSeconds,
  gateway,
  longGateways,
  mix,
  now,
  registered,
} from '../testing/network.ts';
import { testNode } from '../testing/node.ts';
import { seeded } from '../testing/seeded.ts';
import { encodeConsensus } from './consensus.ts';
import { type Consensus, type Descriptor, maxConsensusLength } from './documents.ts';
import { keyEpochsOpened, keyEpochsPublished } from './schedule.ts';
import { nodeId } from './schema.ts';
import { compareText } from './shape.ts';
import { type Agenda, tabulate as tabulateRegistered } from './tabulate.ts';

const tabulate = (descriptors: readonly Descriptor[], given: Agenda): Consensus =>
  tabulateRegistered(registered(descriptors), given);
const idOf = ({ identityKey }: Descriptor): string => nodeId(identityKey);
const mixes = (count: number, change: (index: number) => Partial<Descriptor> = () => ({})): Descriptor[] =>
  Array.from({ length: count }, (_, index) => mix(`mix${index}.test`, change(index)));
const names = ({ nodes }: Consensus): string[] => nodes.map(({ name }) => name).sort();
const layerSizes = ({ nodes }: Consensus): number[] =>
  [1, 2, 3].map((layer) => nodes.filter((node) => node.layer === layer).length);

test('takes over what descriptors say and dates it by the epoch', () => {
  const one = mix('mix1.test', { family: 'op' });
  const two = gateway('gateway.b.test');
  const consensus = tabulate([one, two], { ...agenda, ...before });
  expect(consensus).toMatchObject({
    epoch,
    epochSeconds,
    validAfter: epoch * epochSeconds,
    freshUntil: (epoch + 1) * epochSeconds,
    validUntil: (epoch + 3) * epochSeconds,
    meanDelayMs: 200,
    shared: encodeHex(agenda.shared),
    ...before,
  });
  const entry = consensus.nodes.find(({ name }) => name === 'mix1.test');
  const { name, roles, smtp, tlsPins, family, domains, mirror, mixKeys, capacity } = one;
  expect(entry).toEqual({
    id: idOf(one),
    name,
    roles,
    smtp,
    tlsPins,
    family,
    domains,
    mirror,
    layer: entry?.layer,
    mixKey: mixKeys[0]?.key,
    capacity,
  });
  expect(entry?.layer).toBeGreaterThan(0);
});

describe('the order of the descriptors', () => {
  const many = [
    ...mixes(9, (index) => ({ family: index % 3 === 0 ? 'op' : '' })),
    mix('mix1.test', { published: now - 60, smtp: { host: 'old.test', port: 25 } }),
    mix('twin.test'),
    { ...mix('twin2.test'), name: 'twin.test' },
    gateway('gateway.a.test'),
    gateway('other.test', { domains: ['a.test', 'c.test'] }),
    mix('same.test', { smtp: { host: 'one.test', port: 25 } }),
    mix('same.test', { smtp: { host: 'two.test', port: 25 } }),
  ];
  const expected = encodeConsensus(tabulate(many, agenda));

  test('does not matter', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(many, { minLength: many.length }), (shuffled) => {
        expect(encodeConsensus(tabulate(shuffled, agenda))).toBe(expected);
      }),
    );
  });
});

describe('of two descriptors of one node', () => {
  test('the newer counts', () => {
    const older = mix('mix1.test', { published: now - 60, smtp: { host: 'old.test', port: 25 } });
    const [entry] = tabulate([mix('mix1.test'), older], agenda).nodes;
    expect(entry?.smtp.host).toBe('127.0.0.1');
  });

  test('the one under the newer certificate counts, whatever the other says of its time', () => {
    const change = { validAfter: now - 100 };
    const { members } = testNode('mix1.test', { now, change });
    const stolen = mix('mix1.test', { published: now + 100, smtp: { host: 'thief.test', port: 25 } });
    const [entry] = tabulate([stolen, mix('mix1.test', members)], agenda).nodes;
    expect(entry?.smtp.host).toBe('127.0.0.1');
  });
});

describe('is left out:', () => {
  test('a revoked node, named as such', () => {
    const revoked = mix('mix2.test');
    const consensus = tabulate([mix('mix1.test'), revoked], { ...agenda, revoked: [idOf(revoked)] });
    expect(names(consensus)).toEqual(['mix1.test']);
    expect(consensus.revoked).toEqual([idOf(revoked)]);
  });

  test('a node that has published nothing for three epochs', () => {
    const firstSecond = (epoch - 2) * epochSeconds;
    const consensus = tabulate(
      [
        gateway('gateway.a.test', { published: firstSecond }),
        gateway('gateway.b.test', { published: firstSecond - 1 }),
      ],
      agenda,
    );
    expect(names(consensus)).toEqual(['gateway.a.test']);
  });

  describe.each<[string, Partial<Descriptor>]>([
    ['without a key for the epoch', { mixKeys: mix('x.test').mixKeys.filter((key) => key.epoch !== epoch) }],
    ['that is down', { downtime: [{ from: epoch - 1, until: epoch + 1 }] }],
    ['that does not take packets of this suite', { protocols: [9] }],
  ])('a mix %s', (_, change) => {
    test('altogether', () => {
      expect(tabulate([mix('mix1.test', change)], agenda)).toMatchObject({ nodes: [], rest: { count: 1 } });
    });

    test('only as a mix, when it delivers too', () => {
      const both = mix('mix1.test', { roles: ['delivery', 'mix'], domains: ['a.test'], ...change });
      const bare = { roles: ['delivery'], layer: 0, mixKey: '', capacity: 0 };
      expect(tabulate([both], agenda)).toMatchObject({ nodes: [bare], rest: { count: 0 } });
    });
  });

  test('no mix that is back, or still there', () => {
    const downtime = [
      { from: epoch - 2, until: epoch },
      { from: epoch + 1, until: epoch + 2 },
    ];
    expect(tabulate([mix('mix1.test', { downtime })], agenda).nodes).toHaveLength(1);
  });

  test('one of two nodes with the same name, by lot', () => {
    const one = mix('mix1.test');
    const other = { ...mix('mix2.test'), name: 'mix1.test' };
    const winners = Array.from({ length: 20 }, (_, round) => {
      const { nodes } = tabulate([one, other], { ...agenda, shared: seeded(`round ${round}`).bytes(32) });
      expect(nodes).toHaveLength(1);
      return nodes[0]?.id;
    });
    expect(new Set(winners)).toEqual(new Set([idOf(one), idOf(other)]));
  });

  test('a served domain that another gateway has, and a gateway that is left with none', () => {
    const one = gateway('one.test', { domains: ['a.test'] });
    const other = gateway('other.test', { domains: ['a.test', 'b.test'] });
    for (let round = 0; round < 10; round++) {
      const { nodes } = tabulate([one, other], { ...agenda, shared: seeded(`round ${round}`).bytes(32) });
      expect(nodes.flatMap(({ domains }) => domains).sort()).toEqual(['a.test', 'b.test']);
    }
    const emptied = Array.from({ length: 10 }, (_, round) =>
      names(tabulate([one, other], { ...agenda, shared: seeded(`round ${round}`).bytes(32) })),
    );
    expect(emptied).toContainEqual(['other.test']);
    expect(emptied).toContainEqual(['one.test', 'other.test']);
  });

  test('what does not fit into a document', () => {
    const consensus = tabulate(longGateways(2_000), agenda);
    expect(consensus.nodes.length).toBeGreaterThan(1_600);
    expect(consensus.nodes.length).toBeLessThan(2_000);
    expect(encodeConsensus(consensus).length).toBeLessThan(maxConsensusLength);
  });
});

describe('the room for entries', () => {
  const sixteen = createGeometry({ ...defaultGeometry, hops: 16, packetBytes: 65_536 });
  const { mixKeys, capacity, protocols } = mix('mix.test');
  const asMix: Partial<Descriptor> = { roles: ['delivery', 'mix'], mixKeys, capacity, protocols };

  test.each([
    ['1,664 of 2,047 characters, each with a comma, fill it', 'gateway', 2_047, 1_664],
    ['one character more in each, and one fewer fits', 'gateway', 2_048, 1_663],
    ['a layer of two digits is counted before it is dealt', 'both', 3_326, 1_024],
    ['and leaves no room for another character', 'both', 3_327, 1_023],
  ])('%s', (_what, kind, characters, fitting) => {
    const many = longGateways(fitting + 2, kind === 'both' ? asMix : {}).map((one) =>
      ofLength(one, characters),
    );
    const mixes = tabulate(many, { ...agenda, geometry: sixteen }).nodes;
    // where mixes leave no room there is none either for what they would be without a layer
    const nodes = mixes.filter(({ layer }) => kind === 'gateway' || layer > 0);
    for (const entry of nodes)
      expect(JSON.stringify(entry)).toHaveLength(characters + (entry.layer > 9 ? 1 : 0));
    const byLot = many.toSorted((a, b) => compareText(nodeLot(a), nodeLot(b)));
    expect(names({ ...tabulate([], agenda), nodes })).toEqual(
      byLot
        .slice(0, fitting)
        .map(({ name }) => name)
        .sort(),
    );
  });

  const nodeLot = (descriptor: Descriptor): string =>
    createHash('sha256')
      .update('postern.node-lot/v1\n')
      .update(agenda.shared)
      .update(Buffer.from(idOf(descriptor), 'hex'))
      .digest('hex');

  /** With as many domains as its entry takes for so many characters. */
  function ofLength(bare: Descriptor, characters: number): Descriptor {
    const { name, roles, smtp, tlsPins, family, mirror, capacity } = bare;
    const isMix = roles.includes('mix');
    const [first] = name.split('.');
    const entry = {
      id: idOf(bare),
      name,
      roles,
      smtp,
      tlsPins,
      family,
      domains: [],
      mirror,
      layer: isMix ? 1 : 0,
      mixKey: isMix ? bare.mixKeys[0]?.key : '',
      capacity,
    };
    // Each domain has two quotes and a comma; the last one has no comma.
    let left = characters - JSON.stringify(entry).length + 1;
    const filled: string[] = [];
    while (left > 0) {
      const length = left > 256 ? Math.min(253, left - 103) : left - 3;
      filled.push(domainOf(`d${100 + filled.length}.${first}.test`, length));
      left -= length + 3;
    }
    return { ...bare, domains: filled.sort() };
  }

  function domainOf(ending: string, length: number): string {
    const missing = length - ending.length;
    if (missing === 0) return ending;
    const label = missing > 64 ? Math.min(63, missing - 3) : missing - 1;
    return domainOf(`${'x'.repeat(label)}.${ending}`, length);
  }
});

describe('layers', () => {
  test('are dealt evenly', () => {
    expect(layerSizes(tabulate(mixes(30), agenda))).toEqual([10, 10, 10]);
    expect(layerSizes(tabulate(mixes(31), agenda)).toSorted((a, b) => a - b)).toEqual([10, 10, 11]);
  });

  test('are dealt anew with another shared value', () => {
    const layersOf = (shared: Uint8Array): string =>
      tabulate(mixes(12), { ...agenda, shared })
        .nodes.map(({ layer }) => layer)
        .join();
    expect(layersOf(agenda.shared)).not.toBe(layersOf(seeded('other').bytes(32)));
  });

  test('come to a mix with equal chance, whatever its family', () => {
    const seen = [0, 0, 0];
    const rounds = 300;
    for (let round = 0; round < rounds; round++) {
      const shared = seeded(`round ${round}`).bytes(32);
      const { nodes } = tabulate(
        mixes(6, (index) => ({ family: index < 2 ? 'op' : '' })),
        { ...agenda, shared },
      );
      const layer = nodes.find(({ name }) => name === 'mix0.test')?.layer ?? 0;
      seen[layer - 1] = (seen[layer - 1] ?? 0) + 1;
    }
    // three standard deviations of a binomial with p = 1/3, and some
    for (const count of seen) expect(Math.abs(count - rounds / 3)).toBeLessThan(30);
  });

  test('have gateways nowhere', () => {
    const { nodes } = tabulate([gateway('gateway.a.test')], agenda);
    expect(nodes).toMatchObject([{ layer: 0, roles: ['delivery'] }]);
  });

  test('balance capacity', () => {
    const capacities = [8, 4, 4, 2, 2, 2, 2];
    const { nodes } = tabulate(
      mixes(7, (index) => ({ capacity: capacities[index] ?? 0 })),
      agenda,
    );
    const sums = [1, 2, 3].map((layer) =>
      nodes.filter((node) => node.layer === layer).reduce((sum, { capacity }) => sum + capacity, 0),
    );
    expect(sums).toEqual([8, 8, 8]);
  });

  test('give a mix of any capacity company', () => {
    const many = mixes(21, (index) => ({ capacity: index === 0 ? 1_024 : 2 }));
    const { nodes } = tabulate(many, agenda);
    const large = nodes.find(({ name }) => name === 'mix0.test');
    // 8 of 48: in a layer of 16
    expect(nodes.filter(({ layer }) => layer === large?.layer)).toHaveLength(5);
  });

  test('are even beside a large family, whatever the lots', () => {
    for (let round = 0; round < 20; round++) {
      const shared = seeded(`round ${round}`).bytes(32);
      const many = mixes(12, (index) => ({ family: index < 4 ? 'op' : '' }));
      expect(layerSizes(tabulate(many, { ...agenda, shared }))).toEqual([4, 4, 4]);
    }
  });

  const given = fc.array(
    fc.record({
      family: fc.constantFrom('', '', 'a', 'b', 'c', 'd'),
      capacity: fc.constantFrom(1, 2, 4, 1_024),
    }),
    { minLength: 1, maxLength: 24 },
  );
  test('hold each family in one layer, and differ by no more than the weight of the largest hand', () => {
    fc.assert(
      fc.property(given, fc.uint8Array({ minLength: 32, maxLength: 32 }), (changes, shared) => {
        const consensus = tabulate(
          mixes(changes.length, (index) => changes[index] ?? {}),
          { ...agenda, shared },
        );
        const sorted = changes.map(({ capacity }) => capacity).toSorted((a, b) => a - b);
        const most = 4 * (sorted[Math.floor((sorted.length - 1) / 2)] ?? 0);
        const weightOf = (nodes: readonly { readonly capacity: number }[]): number =>
          nodes.reduce((sum, { capacity }) => sum + Math.min(capacity, most), 0);
        const byFamily = Map.groupBy(
          consensus.nodes.filter((node) => node.family !== ''),
          (node) => node.family,
        );
        for (const members of byFamily.values()) {
          expect(new Set(members.map(({ layer }) => layer)).size).toBe(1);
        }
        const weights = [1, 2, 3].map((layer) =>
          weightOf(consensus.nodes.filter((node) => node.layer === layer)),
        );
        const alone = consensus.nodes.filter(({ family }) => family === '').map((node) => [node]);
        const largest = Math.max(...[...byFamily.values(), ...alone].map(weightOf));
        expect(Math.max(...weights) - Math.min(...weights)).toBeLessThanOrEqual(largest);
      }),
    );
  });
});

/** Spec consensus 8.2 and 8.5, written down a second time and slowly. */
function dealtByTheBook(
  names: readonly string[],
  familyOf: (name: string) => string,
  shared: Uint8Array,
): Map<string, number> {
  const lot = (purpose: string, value: Uint8Array): string =>
    createHash('sha256').update(`postern.${purpose}/v1\n`).update(shared).update(value).digest('hex');
  const lots = new Map(names.map((name) => [name, lot('node-lot', Buffer.from(idOf(mix(name)), 'hex'))]));
  const lowest = (hand: readonly string[]): string =>
    hand.map((name) => lots.get(name) ?? '').toSorted(compareText)[0] ?? '';
  const hands = names.filter((name) => familyOf(name) === '').map((name) => [name]);
  for (const family of new Set(names.map(familyOf).filter((one) => one !== '')))
    hands.push(names.filter((name) => familyOf(name) === family));
  hands.sort((a, b) => (a.length === b.length ? compareText(lowest(a), lowest(b)) : b.length - a.length));
  const layers = [1, 2, 3].map((layer) => ({ layer, lot: lot('layer-lot', Uint8Array.of(layer)), size: 0 }));
  const dealt = new Map<string, number>();
  for (const hand of hands) {
    layers.sort((a, b) => (a.size === b.size ? compareText(a.lot, b.lot) : a.size - b.size));
    const [next] = layers;
    if (next === undefined) break;
    next.size += hand.length;
    for (const name of hand) dealt.set(name, next.layer);
  }
  return dealt;
}

test('layers are dealt as the spec says, by a second implementation', () => {
  const families = fc.array(fc.constantFrom('', '', 'a', 'b'), { minLength: 1, maxLength: 15 });
  fc.assert(
    fc.property(families, fc.uint8Array({ minLength: 32, maxLength: 32 }), (family, shared) => {
      const many = mixes(family.length, (index) => ({ family: family[index] ?? '' }));
      const familyOf = (name: string): string => many.find((one) => one.name === name)?.family ?? '';
      const { nodes } = tabulate(many, { ...agenda, shared });
      const expected = dealtByTheBook(
        many.map(({ name }) => name),
        familyOf,
        shared,
      );
      expect(new Map(nodes.map(({ name, layer }) => [name, layer]))).toEqual(
        new Map(nodes.map(({ name }) => [name, expected.get(name)])),
      );
    }),
  );
});

test('an agenda out of range throws', () => {
  expect(() => tabulate([], { ...agenda, epoch: -1 })).toThrow(ProtocolError);
  expect(() => tabulate([], { ...agenda, shared: new Uint8Array(31) })).toThrow(ProtocolError);
  expect(() => tabulate([], { ...agenda, previous: 'x' })).toThrow(ProtocolError);
});

test('a mix publishes the keys of three epochs and opens packets of six', () => {
  expect(keyEpochsPublished(10)).toEqual([10, 11, 12]);
  expect(keyEpochsOpened(10)).toEqual([7, 8, 9, 10, 11, 12]);
  expect(keyEpochsOpened(1)).toEqual([0, 1, 2, 3]);
});

test('every consensus that is valid at a time names keys that its mixes still open', () => {
  const { validUntil } = tabulate(mixes(1), agenda);
  const lastEpoch = Math.floor((validUntil - 1) / epochSeconds);
  expect(keyEpochsOpened(lastEpoch)).toContain(epoch);
  expect(keyEpochsOpened(lastEpoch + 1)).toContain(epoch);
});
