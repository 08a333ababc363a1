import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { maildirs } from './maildir.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-maildir-'));
});
afterEach(() => rm(folder, { recursive: true }));

const bytes = Buffer.from('Subject: x\r\n\r\nhello\r\n');
const message = { setId: 'ab'.repeat(16), local: 'bob', bytes };
const system = () =>
  maildirs({ kind: 'maildir', path: join(folder, '{local}', 'Maildir'), mailboxes: ['bob', 'bea'] });
const names = (local: string, part: string) => readdir(join(folder, local, 'Maildir', part));

test('a message lies in new, whole, for its owner only, and nothing is left aside', async () => {
  expect(await system().put(message)).toEqual({ kind: 'delivered' });
  const [name = ''] = await names('bob', 'new');
  const path = join(folder, 'bob', 'Maildir', 'new', name);
  expect(await readFile(path)).toEqual(bytes);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await names('bob', 'tmp')).toEqual([]);
  expect(name).not.toContain(message.setId);
});

test('delivered again it is found, in new, and in cur with the flags of a mail program', async () => {
  await system().put(message);
  await system().put(message);
  const [name = '', ...more] = await names('bob', 'new');
  expect(more).toEqual([]);
  await rename(
    join(folder, 'bob', 'Maildir', 'new', name),
    join(folder, 'bob', 'Maildir', 'cur', `${name}:2,S`),
  );
  expect(await system().put(message)).toEqual({ kind: 'delivered' });
  expect(await names('bob', 'new')).toEqual([]);
  await system().put({ ...message, setId: 'cd'.repeat(16) });
  expect(await names('bob', 'new')).toHaveLength(1);
});

test('what a crash left half-written is replaced', async () => {
  await system().put(message);
  const [name = ''] = await names('bob', 'new');
  await rename(join(folder, 'bob', 'Maildir', 'new', name), join(folder, 'bob', 'Maildir', 'tmp', name));
  await writeFile(join(folder, 'bob', 'Maildir', 'tmp', name), 'Subj');
  await system().put(message);
  expect(await readFile(join(folder, 'bob', 'Maildir', 'new', name))).toEqual(bytes);
});

test.each(['eve', '..', '../bea', 'bob/../bea', '/etc', ''])('no mailbox is called %j', async (local) => {
  expect(await system().put({ ...message, local })).toMatchObject({ kind: 'refused' });
  expect(await readdir(folder)).toEqual([]);
});

test('what cannot be written now is deferred, with the reason', async () => {
  await mkdir(join(folder, 'bob'));
  await writeFile(join(folder, 'bob', 'Maildir'), 'in the way');
  expect(await system().put(message)).toEqual({
    kind: 'deferred',
    why: expect.stringMatching(/^E(EXIST|NOTDIR)$/),
  });
  await chmod(join(folder, 'bob'), 0o700);
  await rm(join(folder, 'bob', 'Maildir'));
  expect(await system().put(message)).toEqual({ kind: 'delivered' });
});
