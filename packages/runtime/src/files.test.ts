import { chmod, link, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { overwriteAndRemove, replaceSecret, writeFileDurable } from './files.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('writeFileDurable', () => {
  test('replaces the content, keeps others out, leaves nothing aside', async () => {
    const path = join(folder, 'key');
    await writeFileDurable(path, 'old');
    await writeFileDurable(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['key']);
  });

  test('leaves the old content where the new cannot be put', async () => {
    await writeFileDurable(join(folder, 'a'), 'x');
    await expect(writeFileDurable(join(folder, 'a', 'b'), 'y')).rejects.toThrow('ENOTDIR');
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('x');
  });
});

test('overwriteAndRemove leaves no name', async () => {
  const path = join(folder, 'key');
  await writeFileDurable(path, 'secret');
  await overwriteAndRemove(path);
  expect(await readdir(folder)).toEqual([]);
});

describe('replaceSecret', () => {
  test('puts the new one in place and leaves nothing of the old one, under whatever name', async () => {
    const path = join(folder, 'key');
    await replaceSecret(path, 'old secret');
    await link(path, join(folder, 'witness'));
    await chmod(path, 0o400);
    await replaceSecret(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const witness = await readFile(join(folder, 'witness'), 'latin1');
    expect(witness).toHaveLength('old secret'.length);
    expect(witness).not.toBe('old secret');
    expect((await readdir(folder)).sort()).toEqual(['key', 'witness']);
  });

  test('leaves the old one whole where the new one cannot be put', async () => {
    const path = join(folder, 'key');
    await replaceSecret(path, 'old secret');
    const nothing = undefined as unknown as string;
    await expect(replaceSecret(path, nothing)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(await readFile(path, 'utf8')).toBe('old secret');
    expect(await readdir(folder)).toEqual(['key']);
  });
});
