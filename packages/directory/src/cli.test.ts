import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readToml } from '@postern/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAuthorityConfig } from './config.ts';

const program = new URL('./main.ts', import.meta.url).pathname;
const children: ChildProcess[] = [];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-directory-'));
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--conditions=@postern/source', program, ...args], { cwd: folder });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, out, err })) };
}

const run = (...args: string[]): Promise<Ended> => start(...args).ended;

/** Resolves when the program has said `event` in its log. */
async function said(child: ChildProcess, event: string): Promise<void> {
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (part: string) => {
      text += part;
      if (text.includes(`"event":"${event}"`)) resolve();
    });
    child.once('close', () => reject(new Error(`ended without saying ${event}: ${text}`)));
  });
}

describe('postern-directory', () => {
  test('explains itself', async () => {
    const [whole, ...each] = await Promise.all([
      run('--help'),
      ...['init', 'run', 'status'].map((verb) => run(verb, '--help')),
    ]);
    expect(whole).toMatchObject({ code: 0, err: '' });
    expect(whole?.out).toMatch(/init .*\n[\s\S]*run .*\n[\s\S]*status /);
    for (const { code, out, err } of each) {
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toContain('--config <file>');
    }
  });

  test('init writes key and configuration; run serves; status tells; SIGTERM ends it', async () => {
    const made = await run(
      'init',
      '--name',
      'authority1.test',
      '--listen',
      '127.0.0.1:0',
      '--bootstrap-nodes',
      '2',
    );
    expect(made.code).toBe(0);
    expect(made.out).toMatch(/^authority1\.test\+[0-9a-f]{8}\+\S+\n$/);
    const key = join(folder, 'directory-data', 'authority.key');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    const secret = (await readFile(key, 'utf8')).trim();
    expect(made.out + made.err).not.toContain(secret);

    const again = await run('init', '--name', 'authority1.test');
    expect(again).toMatchObject({ code: 64, out: '' });
    expect(await readFile(key, 'utf8')).toBe(`${secret}\n`);

    const { child, ended } = start('run');
    await said(child, 'serving');
    const [status, table, second] = await Promise.all([run('status', '--json'), run('status'), run('run')]);
    const vkey = made.out.trim();
    expect(JSON.parse(status?.out ?? '')).toMatchObject({
      name: 'authority1.test',
      vkey,
      registered: 0,
      bootstrapNodes: 2,
    });
    expect(table).toMatchObject({ code: 0, out: expect.stringContaining('none yet: waits for 2 nodes') });
    expect(second).toMatchObject({ code: 75, err: expect.stringContaining('stop it first') });

    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, err: expect.stringContaining('"event":"stopping"') });
    expect(await run('status')).toMatchObject({ code: 69, err: expect.stringContaining('Is it running') });
  });

  test('says what is wrong, with an exit code of its own', async () => {
    const [option, name, config, key] = await Promise.all([
      run('run', '--port', '1'),
      run('init', '--name', 'no domain', '--config', 'new/directory.toml'),
      run('run', '--config', 'none.toml'),
      run('init', '--name', 'authority2.test', '--config', 'other.toml', '--data-dir', 'elsewhere').then(() =>
        rm(join(folder, 'elsewhere'), { recursive: true }).then(() => run('run', '--config', 'other.toml')),
      ),
    ]);
    expect(option).toMatchObject({ code: 64, err: expect.stringContaining('--port') });
    expect(name).toMatchObject({ code: 78, err: expect.stringContaining('name') });
    await expect(stat(join(folder, 'new'))).rejects.toThrow('ENOENT');
    expect(config).toMatchObject({ code: 78, err: expect.stringContaining('none.toml') });
    expect(key).toMatchObject({ code: 78, err: expect.stringContaining('postern-directory init') });
  });
});

test('every commented setting in the configuration that init writes is known, and is the default', async () => {
  const made = await run(
    'init',
    '--name',
    'authority3.test',
    '--config',
    'third.toml',
    '--data-dir',
    'third',
  );
  expect(made.code).toBe(0);
  const written = join(folder, 'third.toml');
  const uncommented = (await readFile(written, 'utf8')).replaceAll(/^# (?=[a-z_]+ = |\[)/gm, '');
  expect(uncommented).toMatch(/^max_nodes = [\s\S]*^\[geometry\]\nsuite = /m);
  await writeFile(join(folder, 'uncommented.toml'), uncommented);
  const [plain, full] = await Promise.all([readToml(written), readToml(join(folder, 'uncommented.toml'))]);
  expect(parseAuthorityConfig(full)).toEqual(parseAuthorityConfig(plain));
});
