import { expect, test } from 'vitest';
import type { Outcome } from '../demo/run.ts';
import { createEvidence } from '../knowledge/evidence.ts';
import { judge } from '../knowledge/judge.ts';
import { drawJourney } from './journey.ts';

const way = (hops: readonly string[], heldMs: readonly number[]) => {
  return { path: { hops, delaysMs: [1, 2, 3] }, transfers: [], heldMs };
};

const outcome: Outcome = {
  author: 'alice@a.test',
  recipient: '"<b&b>"@b.test',
  delivered: true,
  intact: true,
  ways: [
    way(['mix1.test', 'mix3.test', 'mix5.test'], [110, 220, 330]),
    way(['mix1.test', 'mix4.test', 'mix5.test'], [5, 6, 7]),
  ],
  layers: [['mix1.test', 'mix2.test'], ['mix3.test', 'mix4.test'], ['mix5.test']],
  gateway: 'gate.b.test',
  packetBytes: 32_768,
  wireSizes: [45_832],
  elapsedMs: 1_234,
  knowledge: judge(createEvidence(), [], []),
  deliveredPath: '',
  openedPath: '',
};

test('shows every stop, what each mix held how long, and the one size', () => {
  const svg = drawJourney(outcome);
  for (const shown of [
    'mix1.test',
    'mix2.test',
    'mix5.test',
    'gate.b.test',
    '0.11 s',
    '0.33 s',
    '45,832 bytes',
    '1.23 s',
  ])
    expect(svg).toContain(shown);
  expect(svg.match(/class="way /g)).toHaveLength(2);
  expect(svg.match(/class="stop idle"/g)).toHaveLength(1);
});

test('is well-formed, with every name escaped', () => {
  const svg = drawJourney(outcome);
  expect(svg).toContain('&quot;&lt;b&amp;b&gt;&quot;@b.test');
  const open: string[] = [];
  const closed: [string | undefined, string | undefined][] = [];
  for (const [, close, name, rest = ''] of svg.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
    if (close === '/') closed.push([open.pop(), name]);
    else if (!rest.endsWith('/')) open.push(name ?? '');
  }
  expect(open).toEqual([]);
  expect(closed.filter(([opened, name]) => opened !== name)).toEqual([]);
  expect(svg).not.toMatch(/NaN|undefined/);
});

test('has colours for light and for dark', () => {
  const [light = '', dark = ''] = drawJourney(outcome).split('@media (prefers-color-scheme: dark)');
  expect(light).toContain('.paper { fill: #ffffff');
  expect(dark).toContain('.paper { fill: #0d1117');
});
