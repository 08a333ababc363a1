import { describe, expect, test } from 'vitest';
import { type Fact, textFact } from '../adversary/facts.ts';
import { createEvidence, type How } from './evidence.ts';
import { judge } from './judge.ts';
import { kinds, mayKnow, parties, surelyFound } from './table.ts';

const facts: readonly Fact[] = kinds.map((kind) =>
  textFact(kind, kind, `telltale-${kind.replaceAll(' ', '-')}`),
);

function judged(party: (typeof parties)[number], how: How, text: string) {
  const evidence = createEvidence();
  evidence.add({ party, how, where: 'somewhere', bytes: Buffer.from(`before ${text} behind`) });
  return judge(evidence, facts, []);
}

describe('a planted leak', () => {
  const forbidden = parties.flatMap((party) =>
    kinds.filter((kind) => mayKnow(party, kind) === 'no').map((kind) => [party, kind] as const),
  );
  test.each(forbidden)('at %s, the %s, is seen', (party, kind) => {
    const base64 = Buffer.from(`telltale-${kind.replaceAll(' ', '-')}`).toString('base64');
    const { ok, violations } = judged(party, 'at rest', base64);
    expect(ok).toBe(false);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(`${party}: ${kind}: ${kind} in somewhere (at rest; base64`);
  });
});

test('what a party is told may be told it, and neither kept nor told further', () => {
  const told = (how: How) => judged('middle mix', how, 'telltale-first-mix').violations.length;
  expect((['received', 'answered', 'sent', 'at rest', 'log', 'metrics'] as const).map(told)).toEqual([
    0, 0, 1, 1, 1, 1,
  ]);
});

test('what a party may know may stand anywhere', () => {
  expect(judged('author', 'at rest', 'telltale-content').violations).toEqual([]);
});

test('a search that finds nothing at all is not passed', () => {
  const { ok, missed, violations } = judge(createEvidence(), facts, []);
  expect(violations).toEqual([]);
  expect(missed).toHaveLength(surelyFound.length);
  expect(ok).toBe(false);
});

test('what must be found may be known', () => {
  for (const [party, kind] of surelyFound) expect([party, kind, mayKnow(party, kind)]).not.toContain('no');
});
