import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openCache } from './cache.ts';

const seen = { epoch: 1, digest: 'a'.repeat(64), range: { size: 1, hashes: [new Uint8Array(32)] } };

let folder: string;
beforeEach(async () => {
  folder = await storesFolder('cache');
});
afterEach(() => rm(folder, { recursive: true }));

test('what cannot be stored leaves nothing aside', async () => {
  await mkdir(join(folder, 'consensus'));
  const cache = openCache(folder);
  await expect(cache.store('x', seen, () => undefined)).rejects.toMatchObject({ code: 'wrong-cache' });
  await mkdir(join(folder, 'outages'));
  await expect(cache.outages.save('x')).rejects.toMatchObject({ code: 'wrong-cache' });
  expect((await readdir(folder)).sort()).toEqual(['consensus', 'lock', 'outages']);
});

test('what a crash has left aside is gone with the next that is stored', async () => {
  await writeFile(join(folder, '.aside'), 'y'.repeat(100));
  await openCache(folder).store('x', seen, () => undefined);
  expect((await readdir(folder)).sort()).toEqual(['consensus', 'lock', 'seen']);
  expect(await readFile(join(folder, 'consensus'), 'utf8')).toBe('x');
});
