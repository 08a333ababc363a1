import { ExitCode } from '@postern/runtime';
import { expect, test } from 'vitest';
import type { How } from '../knowledge/evidence.ts';
import { leastPieces } from '../knowledge/example.ts';
import { exitCodeOf } from './cli.ts';
import { outcomeOf } from './example.ts';
import { paintFor, report } from './show.ts';

const paint = paintFor(false);
const searchedIn = (text: string): string => /^ {2}Searched: .*\n.*$/m.exec(text)?.[0] ?? '';

test('what was searched is named, with how much there was of it', () => {
  const outcome = outcomeOf(leastPieces());
  const searched = searchedIn(report(outcome, paint));
  for (const shown of [
    /at rest \d+ \(/,
    /log 8 \(/,
    /metrics 8 \(/,
    /wire \d+ \(/,
    /packets waited at mix1\.test, /,
  ])
    expect(searched).toMatch(shown);
  expect(report(outcome, paint)).not.toContain('blind');
  expect(exitCodeOf(outcome)).toBe(ExitCode.ok);
});

test.each<How>(['at rest', 'log', 'metrics', 'wire'])(
  'without %s it is not named, said to be missed, and fails',
  (how) => {
    const outcome = outcomeOf(leastPieces().filter((piece) => piece.how !== how));
    const text = report(outcome, paint);
    expect(searchedIn(text)).not.toMatch(new RegExp(`${how} \\d`));
    expect(searchedIn(text).includes('no packet was seen waiting')).toBe(how === 'at rest');
    expect(text).toMatch(new RegExp(`the search is blind: .*(?:\\(${how}|nothing at all)`));
    expect(exitCodeOf(outcome)).toBe(ExitCode.failure);
  },
);

test('the legend says what a mix’s name means, and who names all', () => {
  const text = report(outcomeOf(leastPieces()), paint);
  expect(text).toContain('whether that mix’s name was found there');
  expect(text).toContain('says nothing of the path');
});

test('the way of a packet begins at the author’s own domain', () => {
  const shown = report({ ...outcomeOf(leastPieces()), author: 'carol@c.test' }, paint);
  expect(shown).toContain(
    'packet 1: c.test → mix1.test (0.11 s) → mix3.test (0.22 s) → mix5.test (0.33 s) → gate.b.test',
  );
});
