import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { corpusFolder, nameOf, readCorpus } from './corpus.ts';
import { Supervisor } from './supervisor.ts';
import { counted, targets } from './targets.ts';

const names = targets.map(({ name }) => name);

// A hang is the supervisor's to find.
test('every input of the corpus, and the same mutations each time, break nothing', {
  timeout: 600_000,
}, async () => {
  const supervisor = new Supervisor({
    module: join(import.meta.dirname, 'targets.ts'),
    targets: names,
    counted,
    corpus: (name) => readCorpus(name).map(({ bytes }) => bytes),
    seed: 'bounded',
    jobs: 2,
    endless: false,
  });
  const { findings, tallies } = await supervisor.run();
  expect(
    findings.map(({ target, kind, detail, input }) => [
      target,
      kind,
      detail,
      Buffer.from(input).toString('base64'),
    ]),
  ).toEqual([]);
  expect([...tallies.keys()].sort()).toEqual([...names].sort());
});

describe('the corpus', () => {
  test('is of targets that there are, each under its own name', () => {
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[a-z][a-z0-9-]*$/.test(name))).toEqual([]);
    expect(readdirSync(corpusFolder).filter((name) => !names.includes(name))).toEqual([]);
  });

  test('names each input after its content', () => {
    const wrong = names.flatMap((name) =>
      readCorpus(name).filter(({ name: file, bytes }) => file !== nameOf(bytes)),
    );
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });
});
