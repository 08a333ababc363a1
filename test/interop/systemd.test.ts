import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ExitCode } from '@postern/runtime';
import { nodeArguments, type Program } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveAsRoot, openFolder } from './debian.ts';
import { here } from './place.ts';

const tree = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
const infra = join(tree, 'infra/systemd');
const units = (await readdir(infra)).filter((name) => name.endsWith('.service'));
const analyze = '/usr/bin/systemd-analyze';
const haveSystemd = await haveAsRoot(analyze, '/lib/systemd/systemd');

describe.skipIf(!haveSystemd)('the units for systemd', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await openFolder('units');
    for (const name of units) {
      const unit = await readFile(join(infra, name), 'utf8');
      // Where this tree is, so that what they start is there.
      await writeFile(join(folder, name), unit.replaceAll('/opt/postern', tree));
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(units)('systemd has nothing to say against %s', async (name) => {
    const { code, stdout, stderr } = await here.call(analyze, ['verify', '--man=no', join(folder, name)]);
    expect({ code, said: `${stdout.toString()}${stderr}` }).toEqual({ code: 0, said: '' });
  });

  test.each([
    ['postern-node.service', 32],
    ['postern-directory.service', 30],
  ])('%s is exposed to %d of 100 at most', async (name, threshold) => {
    const { code, stdout } = await here.call(analyze, [
      'security',
      '--no-pager',
      '--offline=true',
      `--threshold=${threshold}`,
      join(folder, name),
    ]);
    expect({ code, said: stdout.toString() }).toMatchObject({ code: 0 });
  });
});

test.each(units)(
  'what %s starts takes its arguments: all that is missing is the configuration',
  async (name) => {
    const unit = await readFile(join(infra, name), 'utf8');
    const [node = '', program = '', ...args] =
      /^ExecStart=(?<command>.*)$/m.exec(unit)?.groups?.command?.split(' ') ?? [];
    expect(basename(node)).toBe('node');
    const nowhere = join(infra, 'nowhere.toml');
    const config = args.at(-1) ?? '';
    const { code, stderr } = await here.call(process.execPath, [
      ...nodeArguments(basename(program) as Program),
      ...args.map((each) => (each === config ? nowhere : each)),
    ]);
    expect({ code, stderr }).toEqual({
      code: ExitCode.config,
      stderr: expect.stringMatching(`${nowhere}[^]*cannot be read`),
    });
  },
);
