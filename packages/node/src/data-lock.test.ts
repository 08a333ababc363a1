import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataDir } from './data-lock.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a data directory is one node’s until that one is done', async () => {
  const held = lockDataDir(folder);
  expect(() => lockDataDir(folder)).toThrow(expect.objectContaining({ code: 'data-in-use', exitCode: 69 }));
  held[Symbol.dispose]();
  lockDataDir(folder)[Symbol.dispose]();
  await writeFile(
    join(folder, 'lock'),
    'no database at all, but some text of more than a hundred octets: '.repeat(2),
  );
  expect(() => lockDataDir(folder)).toThrow(expect.objectContaining({ code: 'key-file-io' }));
  await rm(join(folder, 'lock'));
  lockDataDir(folder)[Symbol.dispose]();
  const { mode, size } = await stat(join(folder, 'lock'));
  expect([mode & 0o777, size]).toEqual([0o600, 0]);
});

test('an attempt of the process that has it leaves it locked for others', async () => {
  using _held = lockDataDir(folder);
  expect(() => lockDataDir(folder)).toThrow(expect.objectContaining({ code: 'data-in-use' }));
  const attempt = `new (require('node:sqlite').DatabaseSync)(${JSON.stringify(join(folder, 'lock'))}).exec('BEGIN EXCLUSIVE')`;
  await expect(promisify(execFile)(process.execPath, ['-e', attempt])).rejects.toMatchObject({
    stderr: expect.stringContaining('database is locked'),
  });
});

test('a data directory that is not there is said', () => {
  const hint = expect.stringContaining('is not there: correct data_dir');
  expect(() => lockDataDir(join(folder, 'none'))).toThrow(
    expect.objectContaining({ code: 'key-file-io', exitCode: 78, hint }),
  );
});
