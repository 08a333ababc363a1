import {
  chmod,
  chown,
  lchown,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  makeDirectory,
  makePrivateDirectory,
  makeUnsharedDirectory,
  overwriteAndRemove,
  replaceSecret,
  writeFileDurable,
} from './files.ts';

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

  test('overwrites what it has written aside when it fails', async () => {
    const witness = join(folder, 'witness');
    async function* failing() {
      yield 'half a secret';
      const [aside = ''] = await readdir(folder);
      await link(join(folder, aside), witness);
      expect(await readFile(witness, 'latin1')).toBe('half a secret');
      throw new Error('the disk is full');
    }
    const data = failing() as unknown as string;
    await expect(writeFileDurable(join(folder, 'key'), data)).rejects.toThrow('the disk is full');
    const left = await readFile(witness, 'latin1');
    expect(left).toHaveLength('half a secret'.length);
    expect(left).not.toBe('half a secret');
    expect(await readdir(folder)).toEqual(['witness']);
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

describe('makePrivateDirectory', () => {
  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

  test('makes it and what is above it for its owner alone, and takes it again', async () => {
    const path = join(folder, 'above', 'keys');
    await makePrivateDirectory(path);
    await makePrivateDirectory(path);
    expect(await modeOf(path)).toBe(0o700);
    expect(await modeOf(join(folder, 'above'))).toBe(0o700);
  });

  test.each([0o755, 0o750, 0o710, 0o701, 0o777, 0o702])(
    'refuses one that others may get at, %o',
    async (mode) => {
      const path = join(folder, 'keys');
      await mkdir(path);
      await chmod(path, mode);
      await expect(makePrivateDirectory(path)).rejects.toMatchObject({
        name: 'UserError',
        code: 'exposed',
        exitCode: 77,
        hint: `Close it with: chmod 700 ${path}`,
      });
      expect(await modeOf(path)).toBe(mode);
      await chmod(path, 0o700);
      await makePrivateDirectory(path);
    },
  );

  test('goes by where a link of one’s own leads', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere, { mode: 0o700 });
    await symlink(elsewhere, join(folder, 'keys'));
    await makePrivateDirectory(join(folder, 'keys'));
    await chmod(elsewhere, 0o755);
    await expect(makePrivateDirectory(join(folder, 'keys'))).rejects.toMatchObject({ code: 'exposed' });
  });

  test.skipIf(process.geteuid?.() !== 0)('refuses another user’s, and another’s link', async () => {
    const [theirs, ours, link] = [join(folder, 'theirs'), join(folder, 'ours'), join(folder, 'link')];
    await makePrivateDirectory(theirs);
    await chown(theirs, 12_345, 12_345);
    await makePrivateDirectory(ours);
    await symlink(ours, link);
    await lchown(link, 12_345, 12_345);
    for (const path of [theirs, link])
      await expect(makePrivateDirectory(path)).rejects.toMatchObject({ code: 'exposed', exitCode: 77 });
  });

  test.each([0o755, 0o700])(
    'makeUnsharedDirectory takes one that others may only look into, %o',
    async (mode) => {
      const path = join(folder, 'mail');
      await makeUnsharedDirectory(path);
      expect(await modeOf(path)).toBe(0o700);
      await chmod(path, mode);
      await makeUnsharedDirectory(path);
      expect(await modeOf(path)).toBe(mode);
    },
  );

  test.each([0o775, 0o757, 0o1777])(
    'makeUnsharedDirectory refuses one that others may write to, %o',
    async (mode) => {
      const path = join(folder, 'mail');
      await mkdir(path);
      await chmod(path, mode);
      await expect(makeUnsharedDirectory(path)).rejects.toMatchObject({
        code: 'exposed',
        exitCode: 77,
        hint: `Take that from them with: chmod go-w ${path}`,
      });
    },
  );

  test('makeDirectory leaves one as it is', async () => {
    const path = join(folder, 'etc');
    await makeDirectory(path);
    expect(await modeOf(path)).toBe(0o700);
    await chmod(path, 0o755);
    await makeDirectory(path);
    expect(await modeOf(path)).toBe(0o755);
  });

  test('makeDirectory makes those above it as well, and says where it began', async () => {
    const path = join(folder, 'a', 'b', 'c');
    expect(await Promise.all([makeDirectory(path), makeDirectory(path)])).toContain(join(folder, 'a'));
    expect(await makeDirectory(join(path, 'd'))).toBe(join(path, 'd'));
    expect(await makeDirectory(path)).toBeUndefined();
    expect(await modeOf(join(folder, 'a'))).toBe(0o700);
  });

  test('makeDirectory takes no file for one, nor a link to nothing', async () => {
    await writeFile(join(folder, 'file'), '');
    await symlink(join(folder, 'nothing'), join(folder, 'link'));
    await expect(makeDirectory(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeDirectory(join(folder, 'file', 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(makeDirectory(join(folder, 'link'))).rejects.toThrow(join(folder, 'link'));
  });

  test.runIf(process.platform === 'linux')('makeDirectory ends where none can be made', async () => {
    await expect(makeDirectory('/proc/none/such')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
