import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { carriageLength } from '@postern/mail';
import { kinds, mayKnow, type Outcome, parties, runDemo } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** In separate processes: their folders while packets wait and after, logs, metrics by the control socket, and tapped wires. */
describe('one letter through a network of processes', () => {
  let dir = '';
  let outcome: Outcome;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pn-know-'));
    outcome = await runDemo({ dir, signal: new AbortController().signal, onEvent: () => undefined });
  }, 180_000);
  afterAll(() => rm(dir, { recursive: true }));

  const cell = (party: (typeof parties)[number], kind: (typeof kinds)[number]) =>
    outcome.knowledge.rows.find((row) => row.party === party)?.cells[kind];

  test('it arrives as it was written', async () => {
    expect([outcome.delivered, outcome.intact]).toEqual([true, true]);
    const [sent, opened] = await Promise.all(
      [join(dir, 'homes', outcome.author, 'letter.eml'), outcome.openedPath].map((path) => readFile(path)),
    );
    expect(sent?.equals(opened ?? Buffer.alloc(0))).toBe(true);
  });

  test.each(parties)('%s has nothing that it must not have', (party) => {
    const found = kinds.filter((kind) => cell(party, kind)?.found);
    expect(kinds.flatMap((kind) => (cell(party, kind)?.ok === true ? [] : [kind]))).toEqual([]);
    expect(found.filter((kind) => mayKnow(party, kind) === 'no')).toEqual([]);
  });

  test('everything was gathered, and what is there for sure was found where it is', () => {
    expect(outcome.knowledge.missed).toEqual([]);
    expect(outcome.knowledge.ok).toBe(true);
  });

  test('packets were seen waiting in the folder of every hop', () => {
    const stops = new Set(outcome.ways.flatMap(({ path }) => path.hops).concat(outcome.gateway));
    expect([...outcome.knowledge.searched.waited].sort()).toEqual([...stops].sort());
  });

  test('each packet took three hops, and every wire saw the same size', () => {
    expect(outcome.ways.length).toBeGreaterThanOrEqual(2);
    expect(outcome.ways.length).toBeLessThanOrEqual(4);
    for (const { path, transfers } of outcome.ways)
      expect([path.hops.length, transfers.length]).toEqual([3, 4]);
    expect(outcome.wireSizes).toEqual([carriageLength(outcome.packetBytes) + 3]);
  });

  test('each mix held each packet at least as long as its author asked', () => {
    for (const { path, heldMs } of outcome.ways) {
      // The tap and the mix read the clock at two places.
      for (const [hop, held] of heldMs.entries()) expect(held + 5).toBeGreaterThan(path.delaysMs[hop] ?? 0);
    }
  });
});
