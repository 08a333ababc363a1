import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeJson } from '../codec/json.ts';
import { agenda, authority1, authority2, before, gateway, mix, registered } from '../testing/network.ts';
import { signConsensus } from './consensus.ts';
import { applyDiff, makeDiff } from './diff.ts';
import type { Descriptor } from './documents.ts';
import { tabulate } from './tabulate.ts';

const names = Array.from({ length: 9 }, (_, at) => `mix${at + 1}.test`);
const consensusOf = (descriptors: readonly Descriptor[], change: object = {}): string =>
  signConsensus(tabulate(registered(descriptors), { ...agenda, ...change }), [authority1]);
const one = consensusOf(names.map((name) => mix(name)));

describe('a diff', () => {
  test.each([
    ['the same', names.map((name) => mix(name)), {}],
    ['a node less', names.slice(1).map((name) => mix(name)), {}],
    ['a node more', [...names.map((name) => mix(name)), gateway('gateway.b.test')], {}],
    ['a node that moved', names.map((name) => mix(name, { smtp: { host: `at.${name}`, port: 25 } })), {}],
    ['no node', [], {}],
    ['other layers', names.map((name) => mix(name)), { shared: new Uint8Array(32) }],
    ['another epoch', names.map((name) => mix(name)), { ...before, epoch: 1_001, meanDelayMs: 7 }],
  ])('of %s makes one of the other', (_, descriptors, change) => {
    const other = consensusOf(descriptors, change);
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const diff = makeDiff(from, to) ?? to;
      expect(applyDiff(from, diff)).toBe(diff === to ? undefined : to);
    }
    expect((makeDiff(one, other) ?? '').length).toBeLessThan(other.length);
  });

  test('says of a node what has changed, and no more', () => {
    const moved = names.map((name) => mix(name, name === names[0] ? { family: 'one' } : {}));
    const { nodes, members } = JSON.parse(makeDiff(one, consensusOf(moved)) ?? '');
    const [first, ...others] = nodes.changed.filter((entry: object) => 'family' in entry);
    expect([first.family, others, nodes.gone]).toEqual(['one', [], []]);
    expect(members).toEqual({});
  });

  test('brings the signatures of the one that it makes', () => {
    const more = signConsensus(tabulate([], agenda), [authority1, authority2]);
    const less = signConsensus(tabulate([], agenda), [authority1]);
    const diff = makeDiff(less, more);
    expect(diff).toBeDefined();
    expect(applyDiff(less, diff ?? '')).toBe(more);
    // whoever has the text under other signatures has the text
    expect(applyDiff(more, diff ?? '')).toBe(more);
  });
});

/** Documents that know no members but `nodes` and `id`: a diff is to bear others than today's. */
const padding = 'x'.repeat(1_000);
const member = fc.constantFrom('a', 'b', 'layer', '__proto__', 'constructor', 'log');
const value = fc.jsonValue({ maxDepth: 1 });
const membersOf = fc
  .array(fc.tuple(member, value))
  .map((list) => Object.fromEntries(list) as Record<string, unknown>);
const document = fc
  .tuple(
    fc.tuple(value, value).map(([first, second]) => ({ first, second })),
    fc.uniqueArray(fc.tuple(fc.constantFrom('p', 'q', 'r', 's', 't'), membersOf), { selector: ([id]) => id }),
  )
  .map(([members, nodes]) => {
    const entries = nodes.map(([id, rest]) => ({ ...rest, id })).sort((a, b) => (a.id < b.id ? -1 : 1));
    return `postern.consensus/v1\n${encodeJson({ ...members, nodes: entries, padding })}\n\n— x ${'A'.repeat(20)}\n`;
  });

describe('of whatever two documents', () => {
  test('a diff makes the one of the other, or there is none', () => {
    let made = 0;
    fc.assert(
      fc.property(document, document, (from, to) => {
        const diff = makeDiff(from, to);
        if (diff === undefined) return;
        made += 1;
        expect(applyDiff(from, diff)).toBe(to);
      }),
    );
    expect(made).toBeGreaterThan(90);
  });

  test('a diff that was altered makes nothing, or the same text under other signatures', () => {
    let made = 0;
    fc.assert(
      fc.property(
        document,
        document,
        fc.nat(),
        fc.constantFrom('A', 'x', '1', 'a', '"', '\n'),
        (from, to, at, put) => {
          const diff = makeDiff(from, to);
          if (diff === undefined) return;
          const place = at % diff.length;
          const text = applyDiff(from, diff.slice(0, place) + put + diff.slice(place + 1));
          if (text === undefined) return;
          made += 1;
          expect(text.slice(0, text.indexOf('\n\n'))).toBe(to.slice(0, to.indexOf('\n\n')));
        },
      ),
      { numRuns: 500 },
    );
    expect(made).toBeGreaterThan(0);
  });
});

describe('nothing comes of', () => {
  const other = consensusOf(names.slice(2).map((name) => mix(name)));
  const diff = makeDiff(one, other) ?? '';
  const changed = (change: (parsed: Record<string, unknown>) => void): string => {
    const parsed = JSON.parse(diff);
    change(parsed);
    return encodeJson(parsed);
  };
  const { gone } = JSON.parse(diff).nodes;
  test.each<[string, string, string]>([
    ['a diff from another consensus', other, diff],
    ['what is no JSON', one, 'x'],
    ['nothing', one, ''],
    ['null', one, 'null'],
    ['a list', one, '[]'],
    ['a diff that is not canonical', one, ` ${diff}`],
    ['a consensus', one, one],
    ['no consensus', 'x', diff],
    ['another digest', one, changed((it) => Object.assign(it, { to: 'ab'.repeat(32) }))],
    ['no digest', one, changed((it) => delete it.to)],
    ['no nodes', one, changed((it) => delete it.nodes)],
    ['nodes without ids', one, changed((it) => Object.assign(it, { nodes: { changed: [{}], gone } }))],
    [
      'a node that is gone twice',
      one,
      changed((it) => Object.assign(it, { nodes: { changed: [], gone: [...gone, gone[0]] } })),
    ],
    ['a member too few', one, changed((it) => Object.assign(it, { members: { shared: 1 } }))],
    ['no signatures', one, changed((it) => Object.assign(it, { signatures: 1 }))],
    ['a diff without end', one, changed((it) => Object.assign(it, { signatures: 'x'.repeat(4_194_304) }))],
  ])('%s', (_, from, encoded) => {
    expect(applyDiff(from, diff)).toBe(from === one ? other : undefined);
    expect(applyDiff(from, encoded)).toBeUndefined();
  });

  test('two texts of different kinds', () => {
    expect(makeDiff(one, other.replace('postern.consensus/v1', 'postern.consensus/v2'))).toBeUndefined();
    expect(makeDiff('x', other)).toBeUndefined();
    expect(makeDiff(one, 'x')).toBeUndefined();
  });
});
