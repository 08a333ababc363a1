import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { here } from './place.ts';
import { canRunSystemd, type Systemd, startSystemd } from './systemd.ts';

const tree = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
const infra = join(tree, 'infra/systemd');
const units = (await readdir(infra)).filter((name) => name.endsWith('.service'));

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
