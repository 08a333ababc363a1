import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { readToml, serveControl } from '@postern/runtime';
import { type Ended, hostCommands, storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { AuthorityStatus } from './authority.ts';
import { parseAuthorityConfig } from './config.ts';
import type { Missed } from './outages/outages.ts';
import { signedNode } from './testing/nodes.ts';

const program = new URL('./main.ts', import.meta.url).pathname;
const children: ChildProcess[] = [];

let folder = '';
beforeAll(async () => {
  folder = await storesFolder('directory');
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const commands = hostCommands(new URL('./testing/command-host.ts', import.meta.url));

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
  return { child, ended: once(child, 'close').then(([code]) => ({ code: Number(code ?? -1), out, err })) };
}

const run = (...args: string[]): Promise<Ended> => commands.run(folder, args);

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

/** Resolves when the program serves, and can be asked how it does. */
async function answering(child: ChildProcess): Promise<void> {
  await said(child, 'serving');
  while ((await run('status')).code !== 0) expect(child.exitCode).toBeNull();
}

describe('postern-directory', () => {
  test('explains itself', async () => {
    const [whole, init, runs] = await Promise.all([
      start('--help').ended,
      run('init', '--help'),
      run('run', '--help'),
    ]);
    expect(whole).toMatchObject({ code: 0, err: '' });
    expect(whole.out).toMatch(/init .*\n[\s\S]*certify .*\n[\s\S]*run .*\n[\s\S]*status /);
    expect(init).toMatchObject({ code: 0, err: '', out: expect.stringContaining('--config <file>') });
    expect(runs).toMatchObject({ code: 0, err: '', out: expect.stringContaining('--confirm-epoch <epoch>') });
  });

  test('init writes key and configuration; run serves; what it issued outlives SIGKILL; SIGTERM ends it', async () => {
    const made = await run(
      'init',
      '--name',
      'authority1.test',
      '--listen',
      '127.0.0.1:0',
      '--bootstrap-nodes',
      '1',
    );
    expect(made.code).toBe(0);
    expect(made.out).toMatch(/^authority1\.test\+[0-9a-f]{8}\+\S+\n$/);
    const key = join(folder, 'directory-data', 'identity.key');
    expect(made.err).toContain(`Move ${key} to where nobody else gets at it`);
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    const secret = (await readFile(key, 'utf8')).trim();
    expect(made.out + made.err).not.toContain(secret);

    expect(await run('init', '--name', 'authority1.test')).toMatchObject({ code: 1, out: '' });
    expect(await readFile(key, 'utf8')).toBe(`${secret}\n`);
    const elsewhere = join(folder, 'elsewhere.key');
    await rename(key, elsewhere);

    const first = start('run');
    await answering(first.child);
    const [status, second, early] = await Promise.all([
      run('status', '--json'),
      run('run'),
      run('status', '--ready'),
    ]);
    expect(early).toMatchObject({ code: 75, err: expect.stringContaining('not ready') });
    const vkey = made.out.trim();
    const { url, ...rest } = JSON.parse(status.out) as { url: string };
    expect(rest).toMatchObject({ name: 'authority1.test', vkey, registered: 0, bootstrapNodes: 1 });
    expect(second).toMatchObject({ code: 75, err: expect.stringContaining('stop it first') });

    for (const name of ['mix1.test', 'mix2.test', 'mix3.test']) {
      const body = signedNode(name, Date.now());
      await fetch(`${url}/v1/descriptors`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain' },
      });
    }
    const issued = await (await fetch(`${url}/v1/consensus`)).text();
    const [, epoch = ''] = /"epoch":(\d+)/.exec(issued) ?? [];
    expect(await run('status', '--ready')).toMatchObject({ code: 0, err: '' });
    first.child.kill('SIGKILL');
    await first.ended;

    const again = start('run', '--confirm-epoch', epoch);
    await answering(again.child);
    expect((await run('status')).out).not.toContain('certify');
    const certified = await run('certify', '--identity', elsewhere, '--days', '90');
    expect(certified).toMatchObject({ code: 0, out: '', err: expect.stringContaining('takes it by itself') });
    const [, until = 'no time'] = /it signs until (\S+Z)\./.exec(certified.err) ?? [];
    const table = (await run('status')).out;
    expect(table).toContain(`signs until ${until}\n`);
    expect(table).toContain(vkey);
    expect(table).toContain('registered  3');
    const [, where = ''] = /at (http:\S+)/.exec(table) ?? [];
    expect(await (await fetch(`${where}/v1/consensus/${epoch}`)).text()).toBe(issued);
    again.child.kill('SIGTERM');
    expect(await again.ended).toMatchObject({ code: 0, err: expect.stringContaining('"event":"stopping"') });
    expect(await run('status')).toMatchObject({ code: 69, err: expect.stringContaining('Is it running') });
  });

  test('says what is wrong, with an exit code of its own', async () => {
    const other = 'name = "authority2.test"\ndata_dir = "elsewhere"\nlisten = "127.0.0.1:0"\n';
    await writeFile(join(folder, 'other.toml'), other);
    const [option, epoch, name, config, key, days, identity, without] = await Promise.all([
      start('run', '--port', '1').ended,
      run('run', '--confirm-epoch', 'now'),
      run('init', '--name', 'no domain', '--config', 'new/directory.toml'),
      run('run', '--config', 'none.toml'),
      run('run', '--config', 'other.toml'),
      run('certify', '--identity', 'none.key', '--config', 'other.toml', '--days', '351'),
      run('certify', '--identity', 'none.key', '--config', 'other.toml'),
      run('certify', '--config', 'other.toml'),
    ]);
    expect(option).toMatchObject({ code: 64, err: expect.stringContaining('--port') });
    expect(epoch).toMatchObject({ code: 64, err: expect.stringContaining('It is no epoch') });
    expect(name).toMatchObject({ code: 78, err: expect.stringContaining('name') });
    await expect(stat(join(folder, 'new'))).rejects.toThrow('ENOENT');
    expect(config).toMatchObject({ code: 78, err: expect.stringContaining('none.toml') });
    expect(key).toMatchObject({ code: 78, err: expect.stringContaining('postern-directory init') });
    expect(days).toMatchObject({ code: 64, err: expect.stringContaining('more than 350') });
    expect(identity).toMatchObject({ code: 65, err: expect.stringContaining('identity.key') });
    expect(without).toMatchObject({ code: 64, err: expect.stringContaining('--identity') });
  });

  test('what lies where something else is to be is told, with its path', async () => {
    await writeFile(join(folder, 'file'), '');
    const init = ['init', '--name', 'authority7.test'];
    const [config, data, under, identity] = await Promise.all([
      run(...init, '--config', 'file/x.toml'),
      run(...init, '--config', 'x.toml', '--data-dir', 'file'),
      run(...init, '--config', 'x.toml', '--data-dir', 'file/sub'),
      run('certify', '--identity', folder, '--config', 'other.toml'),
    ]);
    const told = (what: string): object => ({ code: 1, out: '', err: expect.stringContaining(what) });
    expect(config).toMatchObject(told(`${join(folder, 'file')} is there already, and is no folder`));
    expect(data).toMatchObject(told(`${join(folder, 'file')} is there already, and is no folder`));
    expect(under).toMatchObject(
      told(`${join(folder, 'file', 'sub')} leads through something that is no folder`),
    );
    expect(identity).toMatchObject(told(`${folder} is a folder, not a file`));

    const seventh = ['--config', 'seventh.toml'];
    expect((await run(...init, ...seventh, '--data-dir', 'seventh')).code).toBe(0);
    const database = join(folder, 'seventh', 'authority.sqlite');
    await writeFile(database, 'no database'.repeat(100), { mode: 0o600 });
    const damaged = expect.stringContaining(
      `${database} is damaged: file is not a database\n  Where there are other`,
    );
    expect(await run('run', ...seventh)).toMatchObject({ code: 65, err: damaged });
    await rm(database);
    await mkdir(database);
    const folderThere = expect.stringContaining(`${database} cannot be used: unable to open database file\n`);
    expect(await run('run', ...seventh)).toMatchObject({ code: 69, err: folderThere });
  });

  test('warns of an epoch that is short and of a delay that is long for it, which init cannot take back', async () => {
    const init = (at: number, ...more: string[]): Promise<Ended> =>
      run('init', '--name', 'a.test', '--config', `unusual${at}.toml`, '--data-dir', `unusual${at}`, ...more);
    const [usual, short, slow, both] = await Promise.all([
      init(1, '--epoch', '10m', '--mean-delay', '50s'),
      init(2, '--epoch', '10s'),
      init(3, '--mean-delay', '301s'),
      init(4, '--epoch', '1m', '--mean-delay', '1h', '--listen', '127.0.0.1:0'),
    ]);
    for (const made of [usual, short, slow, both]) expect(made.code).toBe(0);
    expect(usual.err).not.toContain('Warning');
    expect(short.err).toMatch(/\nWarning: an epoch of 10s is for tests: .* Usual is 1h, .*\.\n$/);
    expect(slow.err).toMatch(/\nWarning: a mean delay of 301s is too long for .* 1h: .* at most 5m\.\n$/);
    expect(both.err.match(/^Warning: /gm)).toHaveLength(2);
    const { child, ended } = start('run', '--config', 'unusual4.toml');
    await said(child, 'serving');
    child.kill('SIGTERM');
    const { err } = await ended;
    expect(err).toMatch(/"why":"an epoch of 1m .*"event":"the configuration is for tests"/);
    expect(err).toMatch(/"why":"a mean delay of 1h .*"event":"the configuration is for tests"/);
  });

  test('takes no key, and no folder with one, that others may get at, and tells of a port that is taken', async () => {
    const data = join(folder, 'fourth');
    const listen = createServer().listen(0, '127.0.0.1');
    await once(listen, 'listening');
    const at = `127.0.0.1:${(listen.address() as { port: number }).port}`;
    const [name, config] = [
      ['--name', 'authority4.test'],
      ['--config', 'fourth.toml'],
    ];
    expect(await run('init', ...name, ...config, '--data-dir', 'fourth', '--listen', at)).toMatchObject({
      code: 0,
    });
    const refused = await run('run', ...config);
    listen.close();
    expect(refused).toMatchObject({
      code: 69,
      err: expect.stringContaining(`the consensus cannot be served on ${at}: EADDRINUSE\n  Another program`),
    });
    expect(refused.err).toMatch(/Correct `listen`\.\n$/);
    const signing = join(data, 'signing');
    const [signingKey = ''] = (await readdir(signing)).filter((name) => name.endsWith('.key'));
    const key = join(signing, signingKey);
    await chmod(key, 0o644);
    const chmodKey = expect.stringContaining(`chmod 600 ${key}`);
    expect(await run('run', ...config)).toMatchObject({ code: 77, err: chmodKey });
    await chmod(key, 0o600);
    const identity = join(data, 'identity.key');
    await chmod(identity, 0o640);
    expect(await run('certify', ...config, '--identity', identity)).toMatchObject({
      code: 77,
      err: expect.stringContaining(`chmod 600 ${identity}`),
    });
    await chmod(data, 0o755);
    expect(await run('run', ...config)).toMatchObject({
      code: 77,
      err: expect.stringContaining(`chmod 700 ${data}`),
    });
  });

  test.skipIf(process.geteuid?.() !== 0)(
    'as root makes no key, and runs none, where others can exchange it',
    async () => {
      await mkdir(join(folder, 'open'));
      await chmod(join(folder, 'open'), 0o777);
      await writeFile(
        join(folder, 'open.toml'),
        'name = "authority2.test"\ndata_dir = "open/data"\nlisten = "127.0.0.1:0"\n',
      );
      const init = ['init', '--name', 'authority2.test', '--config', 'new.toml', '--data-dir', 'open/data'];
      for (const refused of await Promise.all([run(...init), run('run', '--config', 'open.toml')]))
        expect(refused).toMatchObject({ code: 77, err: expect.stringContaining('chmod go-w') });
      expect(await readdir(join(folder, 'open'))).toEqual([]);
    },
  );
});

test('status shows the other authorities, and whether they answer', async () => {
  const made = ['authority4.test', 'authority5.test'].map((name) =>
    run('init', '--name', name, '--config', `${name}.toml`, '--data-dir', name, '--listen', '127.0.0.1:0'),
  );
  const [, other] = await Promise.all(made);
  const peer = `\n[[peers]]\nurl = "http://127.0.0.1:9"\nkey = "${other?.out.trim()}"\n`;
  await appendFile(join(folder, 'authority4.test.toml'), peer);
  const { child, ended } = start('run', '--config', 'authority4.test.toml');
  await said(child, 'serving');
  const shown = async (): Promise<string> => (await run('status', '--config', 'authority4.test.toml')).out;
  await vi.waitFor(async () => expect(await shown()).toContain('signatures  2 of 2 authorities'), 10_000);
  expect(await shown()).toContain(
    'peer        authority5.test at http://127.0.0.1:9 does not answer: unreachable (bad port)\n',
  );
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0 });
});

test('status shows which mixes are missed, by whom, and what comes of it', async () => {
  const made = await run(
    'init',
    '--name',
    'authority6.test',
    '--config',
    'sixth.toml',
    '--data-dir',
    'sixth',
  );
  expect(made.code).toBe(0);
  const missed: readonly Missed[] = [
    { id: '', name: 'mix1.test', by: ['authority1.test', 'authority2.test'], out: true },
    { id: '', name: 'mix2.test', by: ['authority1.test'], out: false },
  ];
  const status: AuthorityStatus = {
    name: 'authority6.test',
    url: 'http://127.0.0.1:8440',
    vkey: made.out.trim(),
    epoch: 1,
    registered: 3,
    bootstrapNodes: 3,
    peers: [],
    threshold: 2,
    alarms: [],
    outages: { by: [], missed },
    signingKey: { until: '', ending: false },
    counters: { descriptors: {}, consensus: {} },
  };
  await using _ = await serveControl({
    socketPath: join(folder, 'sixth', 'control.sock'),
    status: () => Promise.resolve(status),
    metrics: () => '',
  });
  const { out } = await run('status', '--config', 'sixth.toml');
  expect(out.split('\n').filter((line) => line.startsWith('missed'))).toEqual([
    'missed      mix1.test, not reached by authority1.test, authority2.test: left out of new paths',
    'missed      mix2.test, not reached by authority1.test: still used',
  ]);
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
  // The section is an example: it has no default, since without it there is nothing.
  const metrics = { listen: { host: '127.0.0.1', port: 9465 } };
  expect(parseAuthorityConfig(full)).toEqual({ ...parseAuthorityConfig(plain), metrics });
});
