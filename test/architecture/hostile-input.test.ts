import { describe, expect, test } from 'vitest';
import { allTitles, titlesIn } from './titles.ts';
import { read } from './tree.ts';

const page = 'docs/hostile-input.md';

/** How many cases there are of what is received, queued, encrypted, MIME, reported, asked of DNS, abuse and privacy. */
const counts = { R: 17, Q: 8, C: 9, M: 3, B: 7, D: 2, A: 9, P: 4 };
const ids = Object.entries(counts).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, at) => `${letter}${at + 1}`),
);

/** The page's rows: the id, what comes in, the rule, the test that holds it. */
const rows = [...read(page).matchAll(/^\| ([A-Z]\d+) \| (.*) \| (.*) \| `([^`]*)`: (.*) \|$/gm)].map(
  ([, id = '', input = '', rule = '', file = '', title = '']) => ({ id, input, rule, file, title }),
);
const titles = allTitles();
const idOf = (title: string): string | undefined => /^(?:[A-Z]\d+(?=[\s,:]|$))/.exec(title)?.[0];
const byId = (id: string) => titles.filter(({ title }) => idOf(title) === id);

describe('hostile input', () => {
  test('has a row for every case, in order, and each row says what comes in and what is done', () => {
    expect(rows.map(({ id }) => id)).toEqual(ids);
    expect(rows.filter(({ input, rule }) => input.trim() === '' || rule.trim() === '')).toEqual([]);
  });

  test.each(ids)('%s is the name of one test, which the page names', (id) => {
    const row = rows.find((one) => one.id === id);
    expect(byId(id)).toEqual([{ file: row?.file, title: row?.title }]);
  });

  test('no other case is named, and none further in', () => {
    const strange = titles.filter(({ title }) => {
      const id = idOf(title);
      const rest = title.slice(id?.length ?? 0);
      return (id !== undefined && !ids.includes(id)) || ids.some((one) => rest.match(/\w+/g)?.includes(one));
    });
    expect(strange).toEqual([]);
  });
});

test('titles are found behind whatever leads to them', () => {
  const text = [
    "describe('one', () => { test('two', () => expect('three')); });",
    "describe.skipIf(!have('four')).each(['five'])('six %s', () => {});",
    `test.each([['seven']])(\`eight \${nine} ten\`, () => {});`,
    "other('eleven', () => it.test('twelve'));",
  ].join('\n');
  expect(titlesIn('a.test.ts', text)).toEqual(['one', 'two', 'six %s', 'eight … ten']);
});
