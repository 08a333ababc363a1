import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { corpusFolder, nameOf, readCorpus } from './corpus.ts';
import { Supervisor } from './supervisor.ts';
import { defaultBounded } from './target.ts';
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
    findings.map(({ target, kind, reproduced, detail, input }) => [
      target,
      kind,
      reproduced ? 'alone' : 'not alone',
      detail,
      Buffer.from(input).toString('base64'),
    ]),
  ).toEqual([]);
  const short = targets.filter(
    ({ name, bounded = defaultBounded }) => !((tallies.get(name)?.mutations ?? 0) >= bounded),
  );
  expect(short.map(({ name }) => name)).toEqual([]);
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
