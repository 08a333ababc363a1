import { expect, test } from 'vitest';
import { outcomeOf } from '../demo/example.ts';
import { drawJourney } from './journey.ts';

const outcome = outcomeOf([]);

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
