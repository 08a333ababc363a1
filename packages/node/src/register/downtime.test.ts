import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clearDowntime, downtimeEpochs, planDowntime, readDowntime } from './downtime.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-downtime-'));
});
afterEach(() => rm(folder, { recursive: true }));

const span = (from: number, until: number) => ({ from, until });

test('nothing is planned at first; what is added is kept in order, and what meets is one', async () => {
  expect(await readDowntime(folder)).toEqual([]);
  await planDowntime(folder, span(500, 600), 0);
  await planDowntime(folder, span(100, 200), 0);
  expect(await planDowntime(folder, span(150, 300), 0)).toEqual([span(100, 300), span(500, 600)]);
  expect(await planDowntime(folder, span(300, 500), 0)).toEqual([span(100, 600)]);
  expect(await readDowntime(folder)).toEqual([span(100, 600)]);
  await clearDowntime(folder);
  expect(await readDowntime(folder)).toEqual([]);
});

test('what is over is forgotten, and no more than four are planned', async () => {
  for (const from of [10, 20, 30, 40]) await planDowntime(folder, span(from, from + 5), 0);
  await expect(planDowntime(folder, span(50, 55), 0)).rejects.toMatchObject({ exitCode: 64 });
  expect(await planDowntime(folder, span(50, 55), 26)).toEqual(
    [30, 40, 50].map((from) => span(from, from + 5)),
  );
});

test('a damaged file is told, and not taken for nothing', async () => {
  await writeFile(join(folder, 'downtime.json'), '[{"from":1}]');
  await expect(readDowntime(folder)).rejects.toMatchObject({ exitCode: 78, hint: expect.any(String) });
});

test('epochs are those that a span touches, from now on', () => {
  const planned = [span(0, 50), span(105, 110), span(119, 301), span(400, 500)];
  expect(downtimeEpochs(planned, 100, 100)).toEqual([span(1, 5)]);
  expect(downtimeEpochs([span(105, 110), span(300, 301)], 100, 100)).toEqual([span(1, 2), span(3, 4)]);
  expect(downtimeEpochs(planned, 500, 100)).toEqual([]);
});
