import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { countersName, instrument } from './instrument.ts';
import { mutate } from './mutate.ts';
import { chance } from './random.ts';
import { type Outcome, Supervisor } from './supervisor.ts';

const planted = join(import.meta.dirname, 'planted.ts');

function fuzz(
  targets: readonly string[],
  p: { endless: boolean; seed?: string; untilFound?: boolean },
): Promise<Outcome> {
  const found = new AbortController();
  const supervisor = new Supervisor({
    module: planted,
    targets,
    counted: /^test\/fuzz\/planted-decoder\.ts$/,
    corpus: () => [],
    seed: p.seed ?? 'engine',
    jobs: 1,
    endless: p.endless,
    signal: found.signal,
    onFinding: () => (p.untilFound === false ? undefined : found.abort()),
  });
  return supervisor.run();
}

describe('a planted fault is found:', () => {
  test('one that only coverage leads to, and the input is as short as can be', async () => {
    const { findings } = await fuzz(['deep'], { endless: true, seed: 'e' });
    expect(findings).toMatchObject([{ target: 'deep', kind: 'crash', reproduced: true }]);
    expect(findings[0]?.detail).toContain('TypeError: found');
    expect(Buffer.from(findings[0]?.input ?? []).toString('hex')).toBe('f713a95c');
  });

  test.each([
    ['a property', 'property', 'crash', 'less than nine'],
    ['a loop', 'loop', 'hang', 'too long'],
    ['a promise that never settles', 'never', 'hang', 'never settles'],
    ['a rejection that nobody handles', 'beside', 'crash', 'nobody waits'],
  ])('%s', async (_, target, kind, detail) => {
    const { findings } = await fuzz([target], { endless: false });
    expect(findings).toMatchObject([
      { target, kind, detail: expect.stringContaining(detail), reproduced: true },
    ]);
  });
});

test('what is sound is run as often as it says, and nothing is found', async () => {
  const { findings, tallies } = await fuzz(['sound'], { endless: false });
  expect(findings).toEqual([]);
  expect(tallies.get('sound')).toMatchObject({ executions: 401, mutations: 400 });
});

test('what breaks behind the last run is found as well', async () => {
  const { findings } = await fuzz(['late'], { endless: false });
  expect(findings).toMatchObject([
    { target: 'late', kind: 'crash', detail: expect.stringContaining('too late') },
  ]);
});

test('what a target breaks in the run of another is marked, and only the one at fault stops', async () => {
  const { findings, tallies } = await fuzz(['afterwards', 'waiting'], { endless: false, untilFound: false });
  expect(findings).toMatchObject([
    { target: 'waiting', kind: 'crash', reproduced: false },
    { target: 'afterwards', kind: 'crash', reproduced: true },
  ]);
  expect(tallies.get('waiting')?.mutations).toBeGreaterThanOrEqual(400);
});

test('one seed makes the same inputs, another others, and none is too long', () => {
  const inputs = (seed: string): string[] => {
    const random = chance(seed);
    const material = { tokens: [Buffer.from('token')], other: () => Buffer.from('another'), maxBytes: 40 };
    return Array.from({ length: 2_000 }, () =>
      Buffer.from(mutate(Buffer.from('line 12\r\nline 13\r\n'), material, random)).toString('hex'),
    );
  };
  expect(inputs('a')).toEqual(inputs('a'));
  expect(inputs('a')).not.toEqual(inputs('b'));
  expect(new Set(inputs('a')).size).toBeGreaterThan(1_000);
  expect(Math.max(...inputs('a').map(({ length }) => length / 2))).toBeLessThanOrEqual(40);
});

test('instrumented code does what it did, and counts every place that it comes through', () => {
  const source = `'use strict';
    function f(a: number): string {
      'use strict';
      let s = '';
      if (a > 1) if (a > 2) s += 'x'; else s += 'y';
      for (const i of [1, 2]) s += i === 1 && a === 1 ? 'p' : ([undefined][0] ?? 0) || 'q';
      switch (a) { case 0: case 1: s += 'c'; break; default: { s += 'd'; } }
      do s += 'w'; while (s.length < 3);
      try { if (a === 3) throw new Error('e'); } catch { s += 'k'; }
      const g = (n: number) => ({ n });
      return s + g(a).n + (() => a)();
    }
    [0, 1, 2, 3].map((a) => f(a)).join(' ');`;
  const { text, count, literals } = instrument('f.ts', source, 10);
  const counters = new Uint8Array(10 + count);
  const run = (code: string): unknown =>
    runInNewContext(stripTypeScriptTypes(code), { [countersName]: counters });
  expect(run(text)).toBe(run(source));
  expect(text.split('\n')).toHaveLength(source.split('\n').length);
  expect([...counters.subarray(0, 10)]).toEqual(Array(10).fill(0));
  expect(counters.subarray(10).every((times) => times > 0)).toBe(true);
  expect(literals).toContain('use strict');
});
