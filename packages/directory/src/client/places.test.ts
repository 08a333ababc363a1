import { seeded } from '@postern/protocol/testing';
import { expect, test } from 'vitest';
import { type Place, placesOf } from './places.ts';

const urls = ['https://a.test', 'https://b.test'];
const mirrors = Array.from({ length: 20 }, (_, at) => `https://mix${at}.test/mirror`);
const nodesOf = (list: readonly string[]) => list.map((mirror, at) => ({ id: `${at}`, mirror }));
const drawn = (list: readonly string[], change: object = {}): Place[][] =>
  Array.from({ length: 100 }, (_, at) =>
    placesOf({ urls, mirrors: true, random: seeded(`${at}`), ...change }, nodesOf(list)),
  );

test('three mirrors are asked, drawn from all, and then all that are configured, in any order', () => {
  const all = drawn(mirrors);
  for (const places of all) {
    expect(places.map(({ isMirror }) => isMirror)).toEqual([true, true, true, false, false]);
    expect(new Set(places.map(({ url }) => url)).size).toBe(5);
    expect(
      places
        .slice(3)
        .map(({ url }) => url)
        .sort(),
    ).toEqual(urls);
  }
  expect(new Set(all.flatMap((places) => places.slice(0, 3).map(({ url }) => url)))).toEqual(
    new Set(mirrors),
  );
  expect(new Set(all.map((places) => places[3]?.url))).toEqual(new Set(urls));
});

test.each<[string, readonly string[], object]>([
  ['where there is none', ['', ''], {}],
  ['where none is to be asked', mirrors, { mirrors: false }],
  ['by http, where all that is configured is by https', ['http://10.0.0.1/reboot'], {}],
  ['that is configured', urls, {}],
])('no mirror is asked %s', (_, list, change) => {
  for (const places of drawn(list, change)) expect(places.map(({ url }) => url).sort()).toEqual(urls);
});

test('mirrors by http are for those who have configured http', () => {
  const [places] = drawn(['http://mix1.test', 'ftp://mix2.test'], { urls: ['http://127.0.0.1:1'] });
  expect(places?.map(({ url }) => url)).toEqual(['http://mix1.test', 'http://127.0.0.1:1']);
});

test('nodes that say nothing of a mirror have none', () => {
  expect(placesOf({ urls, mirrors: true, random: seeded('') }, [{ id: '1' }])).toHaveLength(2);
});
