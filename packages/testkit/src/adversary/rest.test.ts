import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAtRest } from './rest.ts';

test('reads contents, names and targets of links, and follows no link', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rest-'));
  try {
    await mkdir(join(folder, 'deep', 'er'), { recursive: true });
    await writeFile(join(folder, 'deep', 'er', 'alice@a.test'), 'content');
    await writeFile(join(folder, '.hidden'), 'secret');
    await symlink('deep', join(folder, 'link'));
    const found = new Map<string, string>();
    for await (const { path, bytes } of readAtRest(folder))
      found.set(path.slice(folder.length), Buffer.from(bytes).toString());
    expect(Object.fromEntries(found)).toEqual({
      '': '.hidden\ndeep\nlink',
      '/.hidden': 'secret',
      '/deep': 'er',
      '/deep/er': 'alice@a.test',
      '/deep/er/alice@a.test': 'content',
      '/link': 'deep',
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('finds nothing where nothing is', async () => {
  expect(await readAtRest('/nowhere/at/all').next()).toEqual({ done: true, value: undefined });
});
