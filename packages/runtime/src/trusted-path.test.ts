import { chmod, chown, lchown, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requireTrustedPath } from './trusted-path.ts';

const other = 12_345;

describe.skipIf(process.geteuid?.() !== 0)('a path that root would write at', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-trusted-'));
    await mkdir(join(folder, 'above', 'data'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));
  const above = (): string => join(folder, 'above');
  const data = (): string => join(above(), 'data');
  const refused = (path: string): Promise<unknown> =>
    requireTrustedPath(path, 0).then(
      () => undefined,
      ({ code, exitCode, message }) => ({ code, exitCode, message }),
    );
  const exposed = (path: string): object => ({
    code: 'exposed',
    exitCode: 77,
    message: expect.stringContaining(path),
  });

  test('is taken below folders of root’s that nobody else may write to, there yet or not', async () => {
    expect(await refused(data())).toBeUndefined();
    expect(await refused(join(data(), 'new', 'newer'))).toBeUndefined();
  });

  test('is refused where a folder above it, or it, is another’s', async () => {
    for (const theirs of [above(), data()]) {
      await chown(theirs, other, other);
      expect(await refused(join(data(), 'new'))).toEqual(exposed(theirs));
      await requireTrustedPath(data(), other);
      await chown(theirs, 0, 0);
    }
  });

  test.each([0o775, 0o757, 0o2_775])('is refused where others may write above it, %o', async (mode) => {
    await chmod(above(), mode);
    expect(await refused(data())).toEqual(exposed(above()));
    await chmod(above(), mode | 0o1_000);
    expect(await refused(data())).toBeUndefined();
  });

  test('is refused where a link leads through such a folder, or is another’s', async () => {
    const link = join(folder, 'link');
    await symlink('above', link);
    const into = join(folder, 'into');
    await symlink(data(), into);
    expect(await refused(join(link, 'data'))).toBeUndefined();
    await lchown(link, other, other);
    expect(await refused(join(link, 'data'))).toEqual(exposed(link));
    await lchown(link, 0, 0);
    await chmod(above(), 0o777);
    for (const path of [join(link, 'data'), into]) expect(await refused(path)).toEqual(exposed(above()));
  });

  test('is nobody’s where links lead in a circle', async () => {
    await symlink('b', join(folder, 'a'));
    await symlink('a', join(folder, 'b'));
    expect(await refused(join(folder, 'a', 'data'))).toBeUndefined();
  });
});
