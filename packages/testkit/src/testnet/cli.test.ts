import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { main } from './cli.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'testnet-'));
});
afterEach(() => rm(dir, { recursive: true }));

const never = new AbortController().signal;

describe('the command line of the testnet', () => {
  test('more authorities than one machine runs are refused before anything is made', async () => {
    const asked = main(['--dir', dir, '--authorities', '30'], never);
    await expect(asked).rejects.toMatchObject({ code: 'wrong-use', exitCode: 64 });
    expect(await readdir(dir)).toEqual([]);
  });

  test('a folder that holds something is left alone', async () => {
    await writeFile(join(dir, 'mine'), 'precious');
    await expect(main(['--dir', dir], never)).rejects.toMatchObject({ code: 'folder-in-use', exitCode: 64 });
    expect(await readdir(dir)).toEqual(['mine']);
  });

  test.each([[[]], [['--dir', 'x', '--mixes', 'many']], [['--dir', 'x', '--no-such-thing']]])(
    '%j is wrong use',
    async (args) => {
      expect(await main(args, never)).toBe(64);
    },
  );

  test('an order to stop during the start is no failure', async () => {
    const stop = new AbortController();
    const running = main(['--dir', dir], stop.signal);
    stop.abort();
    expect(await running).toBe(0);
  });
});
