import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Consensus, NodeEntry } from '../consensus/index.ts';
import { seeded } from '../testing/seeded.ts';
import { type Constraints, chooseRoute, explainRoute, planRoutes } from './index.ts';

/** Layers as lists of families, or of families with capacities; the mix at layer 2, place 0 is called m2-0.test. */
function consensusOf(layers: readonly (readonly (string | readonly [string, number])[])[]): Consensus {
  const nodes = layers.flatMap((mixes, layer) =>
    mixes
      .map((mix) => (typeof mix === 'string' ? ([mix, 16] as const) : mix))
      .map(
        ([family, capacity], place): NodeEntry => ({
          id: hash('sha256', `${layer}-${place}`),
          name: `m${layer + 1}-${place}.test`,
          roles: ['mix'],
          smtp: { host: '127.0.0.1', port: 2525 },
          tlsPins: ['00'.repeat(32)],
          family,
          domains: [],
          mirror: '',
          layer: layer + 1,
          mixKey: 'AA==',
          capacity,
        }),
      ),
  );
  const gateway = {
    ...nodes[0],
    id: 'ff'.repeat(32),
    name: 'b.test',
    roles: ['delivery'],
    layer: 0,
    mixKey: '',
    capacity: 0,
  };
  return {
    version: 1,
    epoch: 1,
    epochSeconds: 3600,
    validAfter: 3600,
    freshUntil: 7200,
    validUntil: 10_800,
    geometry: { suite: 1, hops: layers.length, routingBytes: 64, packetBytes: 32_768, digest: '' },
    meanDelayMs: 200,
    width: { least: 1, most: 10, perMix: 1 },
    rest: { count: 0, root: '' },
    nodes: [...nodes, gateway as NodeEntry].sort((a, b) => (a.id < b.id ? -1 : 1)),
    revoked: [],
    shared: '',
    previous: '',
    log: { size: 0, root: '' },
    votes: [],
    reveals: [],
  };
}

const idOf = (consensus: Consensus, name: string): string =>
  consensus.nodes.find((node) => node.name === name)?.id ?? '';

/** The judge: every path, walked. */
function walk(consensus: Consensus, allowed: (node: NodeEntry) => boolean = () => true): string[][] {
  let paths: NodeEntry[][] = [[]];
  for (let layer = 1; layer <= consensus.geometry.hops; layer++) {
    const mixes = consensus.nodes.filter((node) => node.layer === layer && allowed(node));
    paths = paths.flatMap((path) =>
      mixes
        .filter(({ family }) => family === '' || !path.some((hop) => hop.family === family))
        .map((mix) => [...path, mix]),
    );
  }
  return paths.map((path) => path.map(({ name }) => name));
}

/** What the spec says of capacities, written down a second time. */
function weightIn(consensus: Consensus, name: string): number {
  const node = consensus.nodes.find((one) => one.name === name);
  const all = consensus.nodes.filter(({ layer }) => layer === node?.layer).map(({ capacity }) => capacity);
  const sorted = all.toSorted((a, b) => a - b);
  return Math.min(node?.capacity ?? 0, 4 * (sorted[Math.floor((sorted.length - 1) / 2)] ?? 0));
}

const weigh = (consensus: Consensus, path: readonly string[]): number =>
  path.reduce((product, name) => product * weightIn(consensus, name), 1);

const family = fc.constantFrom('', 'f', 'g', 'h');
const capacity = fc.constantFrom(1, 2, 4, 64, 1_024);
const mixes = fc.tuple(family, capacity);
const weighted = fc.array(fc.array(mixes, { maxLength: 4 }), { minLength: 1, maxLength: 4 });
const layers = fc.array(fc.array(family, { maxLength: 4 }), { minLength: 1, maxLength: 4 });

describe('the distribution', () => {
  test('counts and probabilities are those of walking every path', () => {
    fc.assert(
      fc.property(weighted, (given) => {
        const consensus = consensusOf(given);
        const walked = walk(consensus);
        const weightOf = (paths: readonly (readonly string[])[]): number =>
          paths.reduce((sum, path) => sum + weigh(consensus, path), 0);
        const explained = explainRoute(consensus, {});
        expect(explained.paths).toBe(walked.length);
        for (const { layer, eligible } of explained.layers) {
          for (const { name, probability } of eligible) {
            const through = weightOf(walked.filter((path) => path[layer - 1] === name));
            expect(probability).toBeCloseTo(walked.length === 0 ? 0 : through / weightOf(walked), 12);
          }
          const sum = eligible.reduce((total, { probability }) => total + probability, 0);
          expect(sum).toBeCloseTo(walked.length === 0 ? 0 : 1, 12);
        }
      }),
    );
  });

  test('a mix that no path leads through is told what hinders it: an empty layer, the others’ families, or its own', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(layers, (given) => {
        for (const { layer, excluded } of explainRoute(consensusOf(given), {}).layers) {
          const empty = given.findIndex((families, index) => index !== layer - 1 && families.length === 0);
          const others = walk(consensusOf(given.filter((_, index) => index !== layer - 1)));
          const hindrance =
            empty !== -1
              ? { why: 'empty-layer', emptyLayer: empty + 1 }
              : { why: others.length === 0 ? 'family-conflict' : 'family' };
          for (const { id: _id, name: _name, ...told } of excluded) {
            expect(told).toEqual(hindrance);
            seen.add(told.why);
          }
        }
      }),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toEqual(['empty-layer', 'family', 'family-conflict']);
  });

  test('every path drawn is admissible, and none is drawn when none is', () => {
    fc.assert(
      fc.property(layers, fc.string(), (given, seed) => {
        const consensus = consensusOf(given);
        const walked = walk(consensus);
        const route = chooseRoute(consensus, {}, seeded(seed));
        const names = route.kind === 'route' ? String(route.hops.map(({ name }) => name)) : route.kind;
        expect(walked.length === 0 ? ['refused'] : walked.map(String)).toContain(names);
      }),
    );
  });

  test('every path stands in the list as often as its weight says', () => {
    const consensus = consensusOf([
      [['f', 1], ['f', 2], 'g', ['', 1]],
      [
        ['f', 1],
        ['g', 1_024],
        ['', 2],
      ],
      [
        ['h', 1],
        ['g', 1],
        ['', 1],
        ['f', 2],
      ],
    ]);
    const walked = walk(consensus);
    const wanted = Object.fromEntries(walked.map((path) => [String(path), weigh(consensus, path)]));
    const plan = planRoutes(consensus, {});
    if (plan.kind !== 'plan') throw new Error(plan.reason);
    const all = Object.values(wanted).reduce((sum, weight) => sum + weight, 0);
    expect(plan.weight).toBe(BigInt(all));
    const seen: Record<string, number> = {};
    for (let rank = 0; rank < all; rank++) {
      const path = plan.choose({
        bytes: (length) => Uint8Array.from({ length }, (_, at) => (rank / 256 ** (length - 1 - at)) & 255),
      });
      const names = String(path.map(({ name }) => name));
      seen[names] = (seen[names] ?? 0) + 1;
    }
    expect(seen).toEqual(wanted);
  });

  test('a capacity counts four times the median at most, and what is excluded moves no median', () => {
    const consensus = consensusOf([
      [
        ['', 1_024],
        ['', 2],
        ['', 2],
        ['', 1],
      ],
    ]);
    const shares = (constraints: Constraints): number[] =>
      explainRoute(consensus, constraints).layers.flatMap(({ eligible }) =>
        eligible.map(({ probability }) => probability),
      );
    expect(shares({}).map((share) => share * 13)).toEqual(
      [8, 2, 2, 1].map((share) => expect.closeTo(share, 9)),
    );
    const exclude = ['m1-1.test', 'm1-2.test'];
    expect(shares({ exclude }).map((share) => share * 9)).toEqual(
      [8, 1].map((share) => expect.closeTo(share, 9)),
    );
  });

  test('draws are uniform over the paths (chi-square, fixed seed)', () => {
    const consensus = consensusOf([
      ['f', 'f', 'g'],
      ['f', 'g', ''],
      ['h', 'g', 'f'],
    ]);
    const walked = walk(consensus).map(String);
    const plan = planRoutes(consensus, {});
    if (plan.kind !== 'plan') throw new Error(plan.reason);
    const random = seeded('uniform over paths');
    const draws = 500 * walked.length;
    const seen = new Map<string, number>();
    for (let draw = 0; draw < draws; draw++) {
      const path = String(plan.choose(random).map(({ name }) => name));
      seen.set(path, (seen.get(path) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual([...walked].sort());
    const chiSquare = [...seen.values()].reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    // 99.9 % quantile by Wilson and Hilferty; a picker that draws layer after layer without weights is far above it.
    const freedom = walked.length - 1;
    expect(chiSquare).toBeLessThan(
      freedom * (1 - 2 / (9 * freedom) + 3.09 * Math.sqrt(2 / (9 * freedom))) ** 3,
    );
  });

  test('counts beyond 2^53 stay exact', () => {
    const consensus = consensusOf(Array.from({ length: 8 }, () => Array.from({ length: 200 }, () => '')));
    const plan = planRoutes(consensus, {});
    expect(plan.kind === 'plan' && plan.weight).toBe(3_200n ** 8n);
    const route = chooseRoute(consensus, {}, seeded('large'));
    expect(route.kind === 'route' && route.hops.map(({ layer }) => layer)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('expected latency is the sum of the mean delays', () => {
    expect(explainRoute(consensusOf([[''], [''], ['']]), {}).expectedLatencyMs).toBe(600);
    expect(explainRoute(consensusOf([[''], [''], ['']]), {}, 50).expectedLatencyMs).toBe(150);
  });
});

describe('constraints', () => {
  const consensus = consensusOf([
    ['f', '', ''],
    ['f', 'g', ''],
    ['g', 'h', ''],
  ]);
  const refusedBy = (constraints: Constraints, of: Consensus = consensus): unknown => {
    const route = chooseRoute(of, constraints, seeded('refused'));
    const { refused } = explainRoute(of, constraints);
    expect(refused).toEqual(route.kind === 'refused' ? route : undefined);
    return route.kind === 'refused' ? [route.reason, route.layer] : route.kind;
  };

  test('include, exclude and pins hold, by name and by id', () => {
    const m2 = idOf(consensus, 'm2-1.test');
    const constraints = {
      exclude: ['m1-0.test', idOf(consensus, 'm3-2.test')],
      pinned: [undefined, m2.toUpperCase()],
    };
    for (let round = 0; round < 50; round++) {
      const route = chooseRoute(consensus, constraints, seeded(`constrained ${round}`));
      const names = route.kind === 'route' ? route.hops.map(({ name }) => name) : [];
      expect(names[0]).not.toBe('m1-0.test');
      expect(names.slice(1)).toEqual(['m2-1.test', 'm3-1.test']);
    }
    const { layers, paths } = explainRoute(consensus, constraints);
    expect(paths).toBe(2);
    expect(layers[0]?.excluded).toMatchObject([{ name: 'm1-0.test', why: 'excluded' }]);
    expect(layers[1]?.excluded.map(({ why }) => why)).toEqual(['not-pinned', 'not-pinned']);
    expect(layers[2]?.excluded).toContainEqual({
      id: idOf(consensus, 'm3-0.test'),
      name: 'm3-0.test',
      why: 'family',
    });
  });

  test('what leaves one layer empty is not told as a family of the mixes in the others', () => {
    const { layers } = explainRoute(consensus, { exclude: ['m1-0.test', 'm1-1.test', 'm1-2.test'] });
    expect(new Set(layers[0]?.excluded.map(({ why }) => why))).toEqual(new Set(['excluded']));
    for (const { excluded } of layers.slice(1))
      expect(excluded).toMatchObject(Array(3).fill({ why: 'empty-layer', emptyLayer: 1 }));
  });

  test('an account has first mixes that ordinary mail finds, and any behind them', () => {
    const open = {
      ...consensus,
      nodes: consensus.nodes.map((node) =>
        node.name === 'm1-1.test' ? { ...node, smtp: { host: 'M1-1.test', port: 25 } } : node,
      ),
    };
    const { layers, paths } = explainRoute(open, { byAccount: true, exclude: ['m1-2.test'] });
    expect(layers[0]?.eligible).toMatchObject([{ name: 'm1-1.test' }]);
    expect(Object.fromEntries(layers[0]?.excluded.map(({ name, why }) => [name, why]) ?? [])).toEqual({
      'm1-0.test': 'not-by-account',
      'm1-2.test': 'excluded',
    });
    expect(paths).toBe(explainRoute(open, { include: [], pinned: ['m1-1.test'] }).paths);
    expect(refusedBy({ byAccount: true })).toEqual(['empty-layer', 1]);
  });

  test('mixes that cannot be reached are left out, and told as such where nothing else keeps them out', () => {
    const idOf = (name: string): string => consensus.nodes.find((node) => node.name === name)?.id ?? '';
    const out = ['m2-0.test', 'm2-1.test', 'm3-0.test'].map(idOf);
    const { layers, paths } = explainRoute(consensus, { out, exclude: ['m3-0.test'] });
    expect(layers[1]?.eligible).toMatchObject([{ name: 'm2-2.test', probability: 1 }]);
    const left = layers.flatMap(({ excluded }) => excluded.map(({ name, why }) => [name, why]));
    expect(Object.fromEntries(left)).toMatchObject({
      'm2-0.test': 'out-of-reach',
      'm2-1.test': 'out-of-reach',
      'm3-0.test': 'excluded',
    });
    expect(paths).toBe(
      explainRoute(consensus, { pinned: [undefined, 'm2-2.test'], exclude: ['m3-0.test'] }).paths,
    );
    expect(refusedBy({ out: [...out, idOf('m2-2.test')] })).toEqual(['empty-layer', 2]);
    expect(refusedBy({ out, pinned: [undefined, 'm2-0.test'] })).toEqual(['pin-not-allowed', 2]);
    // by id alone: a name may be another node's tomorrow
    expect(explainRoute(consensus, { out: ['m2-0.test'] }).layers[1]?.eligible).toHaveLength(3);
  });

  test('include leaves nothing else', () => {
    const include = ['m1-1.test', 'm2-2.test', 'm3-0.test', 'm3-1.test'];
    const { layers, paths } = explainRoute(consensus, { include });
    expect(paths).toBe(2);
    expect(layers.flatMap(({ eligible }) => eligible.map(({ name }) => name)).sort()).toEqual(include);
    expect(layers[0]?.excluded.every(({ why }) => why === 'not-included')).toBe(true);
  });

  test('names that fit no node are told', () => {
    const { unmatched } = explainRoute(consensus, {
      include: ['m1-0.test', 'm9.test'],
      exclude: ['m8.test'],
    });
    expect(unmatched).toEqual(['m9.test', 'm8.test']);
  });

  test('of several reasons the first counts: too many pins, then pin after pin, then layers', () => {
    const [none, nobody] = [undefined, 'nobody.test'];
    const exclude = ['m1-0.test'];
    expect(refusedBy({ pinned: [nobody, none, none, none, 'm1-0.test'] })).toEqual(['too-many-pins', 5]);
    expect(refusedBy({ pinned: ['m2-0.test', nobody] })).toEqual(['wrong-layer', 1]);
    expect(refusedBy({ pinned: ['m1-0.test', nobody], exclude })).toEqual(['pin-not-allowed', 1]);
    expect(refusedBy({ pinned: [nobody, 'm1-0.test'] })).toEqual(['unknown-node', 1]);
    expect(refusedBy({ pinned: [none, 'm2-0.test', nobody], include: ['m2-0.test'] })).toEqual([
      'unknown-node',
      3,
    ]);
  });

  test('what leaves nothing is refused with reason and layer', () => {
    expect(refusedBy({ pinned: [undefined, 'nobody.test'] })).toEqual(['unknown-node', 2]);
    expect(refusedBy({ pinned: ['m2-0.test'] })).toEqual(['wrong-layer', 1]);
    expect(refusedBy({ pinned: [undefined, undefined, 'b.test'] })).toEqual(['wrong-layer', 3]);
    expect(refusedBy({ pinned: [undefined, undefined, undefined, 'm1-0.test'] })).toEqual([
      'too-many-pins',
      4,
    ]);
    expect(refusedBy({ pinned: [undefined, undefined, undefined, undefined] })).toBe('route');
    expect(refusedBy({ pinned: ['m1-0.test'], exclude: ['m1-0.test'] })).toEqual(['pin-not-allowed', 1]);
    expect(refusedBy({ include: ['m1-0.test', 'm3-0.test'] })).toEqual(['empty-layer', 2]);
    expect(refusedBy({ pinned: ['m1-0.test', 'm2-0.test'] })).toEqual(['family-conflict', 2]);
    expect(refusedBy({ pinned: [undefined, 'm2-1.test', 'm3-0.test'] })).toEqual(['family-conflict', 3]);
    expect(refusedBy({})).toBe('route');
    expect(refusedBy({}, consensusOf([[''], [], ['']]))).toEqual(['empty-layer', 2]);
  });
});
