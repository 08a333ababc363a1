import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ExitCode } from '@postern/runtime';
import { nodeArguments, type Program, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveAsRoot, openFolder } from './debian.ts';
import { here } from './place.ts';
import { python } from './python.ts';

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

/** What stands for systemd: a socket at a path, and what was said there. */
const listener = `
import socket, sys
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(sys.argv[1])
print('listens', flush=True)
while True:
    said = heard.recv(4096).decode().strip()
    if said not in ('', 'BARRIER=1'): # which waits until what was said before has been read
        print(said, flush=True)
`;

describe.skipIf(!haveSystemd)('what systemd is told', () => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let told: string[];
  let socket: string;
  let directory: ChildProcess;
  let url = '';
  let vkey = '';

  const stopping = (child: ChildProcess): ChildProcess => {
    stack.defer(() => void child.kill('SIGKILL'));
    return child;
  };
  const run = async (program: Program, args: readonly string[]): Promise<string> =>
    (await here.run(process.execPath, [...nodeArguments(program), ...args])).toString();
  /** Runs a program as its unit does, with a watchdog of a second. */
  const start = (program: Program, config: string, env: object = {}): ChildProcess =>
    stopping(
      here.start(process.execPath, [...nodeArguments(program), 'run', '--config', config], {
        env: { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000', ...env },
      }),
    );
  const hears = (what: string): Promise<unknown> => until(async () => told.includes(what), { what });

  beforeAll(async () => {
    folder = await openFolder('told');
    stack.defer(() => rm(folder, { recursive: true }));
    socket = join(folder, 'notify');
    const heard = stopping(
      here.start(python, ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    told = [];
    const lines = createInterface({ input: heard.stdout as Readable });
    lines.on('line', (said) => told.push(said));
    await hears('listens');
    const config = join(folder, 'directory.toml');
    const asked = ['--name', 'authority.test', '--listen', '127.0.0.1:0', '--bootstrap-nodes', '1'];
    vkey = (await run('postern-directory', ['init', ...asked, '--config', config])).trim();
    directory = start('postern-directory', config);
    await hears('READY=1');
    const status = await run('postern-directory', ['status', '--json', '--config', config]);
    ({ url } = JSON.parse(status) as { url: string });
  });
  afterAll(() => stack.disposeAsync());

  test('a directory says again and again that it lives', async () => {
    await hears('WATCHDOG=1');
    expect(told.slice(0, 3)).toEqual(['listens', 'READY=1', 'WATCHDOG=1']);
  });

  test('a node says that it is ready, that it lives, and that it stops, in this order', async () => {
    directory.kill('SIGSTOP');
    stack.defer(() => void directory.kill('SIGCONT'));
    const config = join(folder, 'node.toml');
    const from = ['--directory-url', url, '--authority', vkey, '--config', config];
    await run('postern-node', ['init', '--name', 'mix.test', '--listen', '127.0.0.1:0', ...from]);
    const node = start('postern-node', config);
    const ended = once(node, 'exit');
    told.length = 0;
    // The very first start waits for the directory.
    directory.kill('SIGCONT');
    await hears('READY=1');
    directory.kill('SIGKILL');
    await once(directory, 'exit');
    told.length = 0;
    await hears('WATCHDOG=1');
    node.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(told.at(-1)).toBe('STOPPING=1');
    expect(new Set(told)).toEqual(new Set(['WATCHDOG=1', 'STOPPING=1']));
  });
});

test.each(units)(
  'what %s starts takes its arguments: all that is missing is the configuration',
  async (name) => {
    const unit = await readFile(join(infra, name), 'utf8');
    const [node = '', ...words] = /^ExecStart=(?<command>.*)$/m.exec(unit)?.groups?.command?.split(' ') ?? [];
    expect(basename(node)).toBe('node');
    const at = words.findIndex((word) => !word.startsWith('--'));
    const [program = '', ...args] = words.slice(at);
    const nowhere = join(infra, 'nowhere.toml');
    const config = args.at(-1) ?? '';
    const { code, stderr } = await here.call(process.execPath, [
      ...words.slice(0, at),
      ...nodeArguments(basename(program) as Program),
      ...args.map((each) => (each === config ? nowhere : each)),
    ]);
    expect({ code, stderr }).toEqual({
      code: ExitCode.config,
      stderr: expect.stringMatching(`${nowhere}[^]*cannot be read`),
    });
  },
);
