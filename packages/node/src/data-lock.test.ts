import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataDir } from './data-lock.ts';

const nobody = 65_534;

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

test.skipIf(process.geteuid?.() !== 0)('a lock that the node’s user may not write is said', async () => {
  const root = 0;
  const cases = [
    { owner: nobody, lock: { owner: root, mode: 0o600 } },
    { owner: nobody, lock: { owner: root, mode: 0o644 } },
    { owner: nobody, lock: { owner: nobody, mode: 0o400 } },
    { owner: root },
  ];
  await chmod(folder, 0o755);
  const folders = await Promise.all(
    cases.map(async ({ owner, lock }, at) => {
      const data = join(folder, `${at}`);
      await mkdir(data);
      if (lock !== undefined) {
        await writeFile(join(data, 'lock'), '', { mode: lock.mode });
        await chown(join(data, 'lock'), lock.owner, lock.owner);
      }
      await chown(data, owner, owner);
      return data;
    }),
  );
  // access(2) goes by the real user, whom only a process of its own can change.
  const attempts = `
    const { lockDataDir } = await import(${JSON.stringify(join(import.meta.dirname, 'data-lock.ts'))});
    process.setuid(${nobody});
    const said = ${JSON.stringify(folders)}.map((folder) => {
      try {
        lockDataDir(folder);
        return 'locked';
      } catch ({ code, exitCode, hint }) {
        return { code, exitCode, hint };
      }
    });
    console.log(JSON.stringify(said));`;
  const node = ['--conditions=@postern/source', '--input-type=module', '-e', attempts];
  const { stdout } = await promisify(execFile)(process.execPath, node);
  const hint = expect.stringContaining('may write to that folder, and that the file is that user’s');
  const refused = { code: 'key-file-io', exitCode: 77, hint };
  expect(JSON.parse(stdout)).toEqual(Array(cases.length).fill(refused));
});
