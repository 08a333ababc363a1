import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, silentLog, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Authors } from './authors.ts';
import { openFileAuthors } from './file.ts';
import { formatHash, hashPassword, isPassword, type PasswordHash, parseHash } from './hash.ts';
import { changeAuthors, parseAuthors } from './list.ts';

// Cheap to compute, and good for nothing else.
const weak = parseHash(
  '$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$8lWFtBPd62P82EUZrqDk0GVvPkbwqgpzMaeCv5mVvDM',
) as PasswordHash;
const alice = `alice@a.test:${formatHash(await hashPassword('wonder land', systemRandom))}`;

describe('a hash', () => {
  test('is of one password, with a salt of its own', async () => {
    const made = await hashPassword('pässword', systemRandom);
    expect(formatHash(made)).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    const read = parseHash(formatHash(made)) as PasswordHash;
    expect(await isPassword('pässword', read)).toBe(true);
    expect(await isPassword('pässword'.normalize('NFD'), read)).toBe(true);
    expect(await isPassword('password', read)).toBe(false);
    expect(formatHash(await hashPassword('pässword', systemRandom))).not.toBe(formatHash(made));
  });

  test.each([
    ['$scrypt$ln=9,r=8,p=1', 'a guess costs too little'],
    ['$scrypt$ln=19,r=8,p=1', 'a guess takes too much memory'],
    ['$scrypt$ln=15,r=8,p=17', 'a guess takes too long'],
    ['$scrypt$ln=015,r=8,p=1', 'another way to write it'],
    ['$scrypt$n=15,r=8,p=1', 'another parameter'],
    ['$argon2id$v=19$m=65536,t=2,p=1', 'another function'],
  ])('%s is none: %s', (prefix) => {
    expect(parseHash(`${prefix}$${formatHash(weak).split('$').slice(3).join('$')}`)).toBeUndefined();
  });

  test('whose salt or hash is too short, or no canonical base64, is none', () => {
    const [salt, hash] = formatHash(weak).split('$').slice(3) as [string, string];
    for (const [a, b] of [
      [salt.slice(0, 4), hash],
      [salt, hash.slice(0, 8)],
      [`${salt}==`, hash],
      [salt, `${hash.slice(0, -1)}N`],
    ])
      expect(parseHash(`$scrypt$ln=10,r=8,p=1$${a}$${b}`)).toBeUndefined();
  });
});

describe('a file of authors', () => {
  const mistakesIn = (text: string): ConfigError => {
    try {
      parseAuthors(text, 'a.test', 'authors');
    } catch (error) {
      if (error instanceof ConfigError) return error;
    }
    throw new Error('it holds');
  };

  test('tells every mistake with its line, and shows nothing of what stands there', () => {
    const text = [
      '# authors',
      '',
      alice,
      'Alice:x',
      `bob@b.test:${formatHash(weak)}`,
      'carol',
      'secure@a.test:y',
    ];
    const { mistakes, message } = mistakesIn(text.join('\n'));
    expect(mistakes.map(({ path }) => path)).toEqual([4, 4, 5, 6, 6, 7, 7].map((line) => `line ${line}`));
    expect(message).not.toMatch(/alice|bob|carol/i);
  });

  test('is changed line by line', () => {
    const other = `# mine\nbob:${formatHash(weak)}\n`;
    const added = changeAuthors(other, 'a.test', 'alice', weak);
    expect(added).toBe(`${other}alice@a.test:${formatHash(weak)}\n`);
    expect(changeAuthors(added, 'a.test', 'alice')).toBe(other);
    expect(changeAuthors(added, 'a.test', 'bob')).toBe(`# mine\nalice@a.test:${formatHash(weak)}\n`);
    expect(changeAuthors('', 'a.test', 'carol')).toBe('');
  });
});

describe('logins by file', () => {
  let folder = '';
  let path = '';
  const write = (text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-authors-'));
    path = join(folder, 'authors');
    await write(`${alice}\n`);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const said: unknown[] = [];
  const log = { ...silentLog, error: (event: string, fields: unknown) => said.push(event, fields) };
  const open = (): Promise<Authors> => openFileAuthors({ path, domain: 'a.test', log, random: systemRandom });
  const kinds = async (authors: Authors, ...users: string[]): Promise<string[]> =>
    Promise.all(users.map(async (user) => (await authors.judge({ user, password: 'wonder land' })).kind));

  test('by mailbox or local part, in any case, and of nobody else', async () => {
    const authors = await open();
    for (const user of ['alice', 'ALICE', 'alice@a.test', 'Alice@A.test'])
      expect(await authors.judge({ user, password: 'wonder land' })).toEqual({
        kind: 'author',
        mailbox: 'alice@a.test',
      });
    expect(await authors.judge({ user: 'alice', password: 'Wonder land' })).toEqual({ kind: 'refused' });
    expect(await kinds(authors, 'bob', 'alice@b.test', 'alice@', 'secure', 'alice*root', '')).toEqual(
      Array<string>(6).fill('refused'),
    );
  });

  test('a changed file counts at once; one that does not hold lets nobody in, and says so once', async () => {
    const authors = await open();
    await write(`${alice.replace('alice', 'bob')}\n`);
    expect(await kinds(authors, 'alice', 'bob')).toEqual(['refused', 'author']);
    await write(`${alice}\nbob\n`);
    expect(await kinds(authors, 'alice', 'bob')).toEqual(['unavailable', 'unavailable']);
    expect(said).toEqual([
      'the file of authors does not hold',
      { mistakes: expect.stringContaining('line 2') },
    ]);
    await rm(path);
    expect(await kinds(authors, 'alice')).toEqual(['unavailable']);
    await write(`${alice}\n`);
    expect(await kinds(authors, 'alice')).toEqual(['author']);
  });

  test('a file that is missing or does not hold is told at once', async () => {
    await write('alice\n');
    await expect(open()).rejects.toThrow('line 1');
    await rm(path);
    await expect(open()).rejects.toMatchObject({ code: 'missing-key-file', exitCode: 78 });
  });

  test('a file that others may read is not taken, nor is anybody let in once it is', async () => {
    const authors = await open();
    await chmod(path, 0o640);
    await expect(open()).rejects.toMatchObject({
      code: 'exposed',
      exitCode: 77,
      hint: `Close it with: chmod 600 ${path}`,
    });
    said.length = 0;
    expect(await kinds(authors, 'alice')).toEqual(['unavailable']);
    expect(said).toEqual([
      'the file of authors does not hold',
      { mistakes: `others may get at the hashes of passwords in ${path}` },
    ]);
    await chmod(path, 0o600);
    expect(await kinds(authors, 'alice')).toEqual(['author']);
  });
});
