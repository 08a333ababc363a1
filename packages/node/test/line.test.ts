import { expect, test } from 'vitest';
import { createLine } from '../src/line.ts';
import { seeded } from './support.ts';

const namesOf = (zone: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `d${at}.${zone}`);

test('of one zone so many wait, and of others none goes for them', () => {
  const line = createLine(seeded('line'));
  for (const domain of [...namesOf('b.test', 100), ...namesOf('evil.test', 20_000)]) line.add(domain);
  const drawn = Array.from({ length: 20_100 }, () => line.draw(() => true)).filter(
    (one) => one !== undefined,
  );
  expect(new Set(drawn).size).toBe(drawn.length);
  const waited = (zone: string): number => drawn.filter((domain) => domain.endsWith(zone)).length;
  expect([waited('b.test'), waited('evil.test')]).toEqual([100, 100]);
});
