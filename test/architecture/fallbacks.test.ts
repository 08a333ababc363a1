import { expect, test } from 'vitest';
import { files, read } from './tree.ts';

const sections = read('docs/fallbacks.md').split(/^## /m).slice(1);

test('the seven fallbacks of the proposal stand in order', () => {
  expect(sections.map((section) => section[0])).toEqual(['1', '2', '3', '4', '5', '6', '7']);
});

test.each(sections.map((section) => [section.split('\n')[0] ?? '', section]))(
  '%s: says who learns what, and names tests that are there',
  (_, section) => {
    expect(section).toMatch(/^\| .* \| (learns|reveal) \|$/m);
    const [, listed = ''] = /^Tests: (.*)$/m.exec(section) ?? [];
    const named = [...listed.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, path]) => path ?? '');
    expect(named).not.toEqual([]);
    expect(named.filter((path) => files(path).length === 0)).toEqual([]);
  },
);
