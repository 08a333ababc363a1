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
import { canRunSystemd, type Systemd, startSystemd } from './systemd.ts';

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

/** The units as they are, but for a watchdog that takes less time. */
describe.skipIf(!canRunSystemd)('under systemd itself', () => {
  const stack = new AsyncDisposableStack();
  let systemd: Systemd;

  beforeAll(async () => {
    const read = async (name: string): Promise<[string, string]> => {
      const unit = await readFile(join(infra, name), 'utf8');
      expect(unit).toContain('\nWatchdogSec=2min\n');
      return [name, unit.replace('WatchdogSec=2min', 'WatchdogSec=10s')];
    };
    const all = Object.fromEntries(await Promise.all(units.map(read)));
    await build('directory', 'node');
    systemd = stack.use(await startSystemd({ units: all, before: setUp }));
  }, 180_000);
  afterAll(() => stack.disposeAsync());

  test.each(['postern-directory', 'postern-node'])(
    '%s is up when it says so, and not before',
    async (name) => {
      await systemd.systemctl('start', name);
      expect(await systemd.show(name, 'ActiveState')).toBe('active');
      expect(await systemd.show(name, 'StatusErrno')).toBe('0');
      expect(await systemd.show(name, 'MainPID')).not.toBe('0');
      // Listening is over by then.
      const status = ['status', '--json', '--config', `/etc/postern/${name.slice('postern-'.length)}.toml`];
      const bin = '/opt/postern/node_modules/.bin/';
      const printed = await systemd.run(`${bin}node`, [`${bin}${name}`, ...status]);
      expect(JSON.parse(printed.toString())).toHaveProperty('counters');
      const socket = await systemd.run('/usr/bin/stat', ['-c', '%a %U %G', `/run/${name}/metrics.sock`]);
      expect(socket.toString().trim()).toBe('660 postern postern');
    },
  );

  test('a node that hangs is killed and started anew; one that lives is left alone', async () => {
    const name = 'postern-node';
    const main = await systemd.show(name, 'MainPID');
    const beats = new Set<string>();
    await until(
      async () => {
        beats.add(await systemd.show(name, 'WatchdogTimestampMonotonic'));
        return beats.size > 4; // each a quarter of the watchdog's time after the one before
      },
      { what: 'it lives' },
    );
    expect(await systemd.show(name, 'MainPID')).toBe(main);
    await systemd.run('/usr/bin/kill', ['-STOP', main]);
    await until(async () => (await systemd.show(name, 'MainPID')) !== main, { what: 'it is killed' });
    await until(async () => (await systemd.show(name, 'ActiveState')) === 'active', {
      what: 'it is up again',
    });
    expect(await systemd.show(name, 'NRestarts')).toBe('1');
  }, 180_000);

  test('stopped, it drains and ends well', async () => {
    for (const name of ['postern-node', 'postern-directory']) {
      await systemd.systemctl('stop', name);
      expect(await systemd.show(name, 'ActiveState')).toBe('inactive');
      expect(await systemd.show(name, 'Result')).toBe('success');
    }
  });
});

/** Units start what was built, of which a clone has nothing. */
async function build(...packages: readonly string[]): Promise<void> {
  await here.run(join(tree, 'node_modules/.bin/tsc'), [
    '--build',
    ...packages.map((name) => join(tree, 'packages', name)),
  ]);
}

/** A directory, and a mix that knows it. */
const setUp = `
install -d -o postern -m 700 /var/lib/postern
chown postern /etc/postern
as() { setpriv --reuid=postern --regid=postern --clear-groups node_modules/.bin/node "node_modules/.bin/$@"; }
key=$(as postern-directory init --name authority.test --config /etc/postern/directory.toml --data-dir /var/lib/postern/directory)
as postern-node init --name mix.test --listen 127.0.0.1:2525 --config /etc/postern/node.toml --dir /var/lib/postern/node \\
  --directory-url http://127.0.0.1:8440 --authority "$key"
for name in node directory; do
  printf '[metrics]\\nlisten = "unix:/run/postern-%s/metrics.sock"\\n' "$name" >> "/etc/postern/$name.toml"
done
`;

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
