import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testAuthority } from '@postern/protocol/testing';
import { readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Ended } from '@postern/runtime/testing';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfig } from '../src/commands/context.ts';
import { parseNodeConfig } from '../src/config.ts';
import { lockDataDir } from '../src/data-lock.ts';
import { loadSigningKey } from '../src/keys/signing.ts';
import { startNode } from '../src/node.ts';
import { authorityIn, commands, type Started, startCommand } from './command.ts';
import { until } from './support.ts';

let folder = '';
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await storesFolder('cli');
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

function start(...args: string[]): Started {
  const started = startCommand(folder, args);
  children.push(started.child);
  return started;
}

const run = (...args: string[]): Promise<Ended> => commands.run(folder, args);
const keyOf = (name: string): string => testAuthority(name).vkey;
const directory = ['--directory-url', 'http://127.0.0.1:1', '--authority', keyOf('authority.test')];

test('help names the commands, and what is unknown is a usage error', async () => {
  const help = await start('--help').ended;
  expect(help).toMatchObject({ code: 0, err: '' });
  for (const command of ['init', 'certify', 'downtime', 'run', 'status', 'mix-keys'])
    expect(help.out).toContain(command);
  expect((await start('serve').ended).code).toBe(64);
  expect((await run('init', '--name', 'mix1.test')).code).toBe(64);
});

test('init makes keys, certificate, records and a configuration, and replaces nothing', async () => {
  const delivery = ['--domain', 'b.test', '--maildir', 'mail/{local}', '--mailbox', 'bob', 'bea'];
  const args = ['init', '--name', 'gate.b.test', '--role', 'delivery', 'mix', ...delivery, ...directory];
  const made = await run(...args);
  expect(made.code).toBe(0);
  expect(made.out).toMatch(/^[0-9a-f]{64}\n$/);
  expect((await readdir(join(folder, 'node-data'))).sort()).toEqual([
    'b.test.zone',
    'domain.key',
    'identity.key',
    'signing.key',
    'tls.crt',
    'tls.key',
  ]);
  for (const name of ['domain.key', 'identity.key', 'signing.key', 'tls.key'])
    expect((await stat(join(folder, 'node-data', name))).mode & 0o777).toBe(0o600);
  const again = await run(...args);
  expect(again.code).toBe(1);
  expect(again.err).toContain('exists already');
  expect(again.err).toContain('Choose another --config or --dir.');
});

test('certify makes another signing key for the same node, and for no other', async () => {
  const data = join(folder, 'node-data');
  const made = await run('init', '--name', 'mix1.test', ...directory);
  expect(made.err).toContain(`Move ${join(data, 'identity.key')} to where nobody else gets at it`);
  const away = join(folder, 'identity.key');
  await rename(join(data, 'identity.key'), away);
  const before = await loadSigningKey(data);
  const certified = await run('certify', '--identity', away, '--days', '30');
  expect(certified).toMatchObject({ code: 0, out: made.out });
  const after = await loadSigningKey(data);
  expect(after.id).toBe(before.id);
  expect(after.signingKey).not.toEqual(before.signingKey);
  expect(certified.err).toContain(new Date(after.validUntil * 1_000).toISOString());
  expect((await run('certify', '--identity', away, '--days', '367')).code).toBe(64);
  expect((await run('certify', '--identity', join(folder, 'nowhere'))).code).toBe(78);
  expect(
    await run('init', '--name', 'mix2.test', '--config', 'two.toml', '--dir', 'two', ...directory),
  ).toMatchObject({ code: 0 });
  const foreign = await run('certify', '--identity', join(folder, 'two', 'identity.key'));
  expect(foreign).toMatchObject({ code: 65, err: expect.stringContaining(`this node is ${before.id}`) });
  expect(await loadSigningKey(data)).toEqual(after);
});

test('downtime is planned by times, shown and forgotten', async () => {
  await run('init', '--name', 'mix1.test', ...directory);
  expect(await run('downtime', 'list')).toMatchObject({ code: 0, out: '' });
  expect(await run('downtime', 'add', '2999-12-01T22:00Z', '2999-12-02T03:30+02:00')).toMatchObject({
    code: 0,
    out: '2999-12-01T22:00Z 2999-12-02T01:30Z\n',
  });
  expect((await run('downtime', 'list')).out).toBe('2999-12-01T22:00Z 2999-12-02T01:30Z\n');
  for (const [from, until] of [
    ['2999-12-01T22:00', '2999-12-02T22:00Z'],
    ['2999-12-02T22:00Z', '2999-12-01T22:00Z'],
    ['2001-12-01T22:00Z', '2001-12-02T22:00Z'],
  ] as const)
    expect((await run('downtime', 'add', from, until)).code).toBe(64);
  expect(await run('downtime', 'clear')).toMatchObject({ code: 0 });
  expect((await run('downtime', 'list')).out).toBe('');
});

test('init writes a folder down as it is named', async () => {
  const dataDir = async (...options: string[]): Promise<string> => {
    expect(await run('init', '--name', 'mix1.test', ...options, ...directory)).toMatchObject({ code: 0 });
    return parseNodeConfig(await readToml(join(folder, options[1] ?? ''))).dataDir;
  };
  const absolute = join(folder, 'far', 'data');
  expect(await dataDir('--config', 'near/node.toml', '--dir', absolute)).toBe(absolute);
  expect(await dataDir('--config', 'other/node.toml', '--dir', '../far/other')).toBe('../far/other');
});

test('init refuses what the configuration would, before it writes anything', async () => {
  const refused = await run('init', '--name', 'Mix1', '--domain', 'b.test', '--listen', 'x', ...directory);
  expect(refused.code).toBe(78);
  for (const path of ['name', 'smtp.listen', 'delivery.maildir'])
    expect(refused.err).toMatch(new RegExp(`^ +${path}: `, 'm'));
  expect(await readdir(folder)).toEqual([]);
});

test.each([
  ['name', ['--name', 'mix.1']],
  [
    'delivery.domain',
    ['--name', 'mix.test', '--role', 'mix', 'delivery', '--domain', 'b.1', '--lmtp', 'unix:/x'],
  ],
])('init takes no address for a domain, in %s, and leaves nothing behind', async (path, options) => {
  const refused = await run('init', ...options, ...directory);
  expect(refused.code).toBe(78);
  expect(refused.err).toMatch(new RegExp(`^ +${path}: is no domain name`, 'm'));
  expect(await readdir(folder)).toEqual([]);
});

test('init writes down which mail servers stand in front, and takes nothing but addresses', async () => {
  const args = ['init', '--name', 'mix1.test', ...directory];
  const refused = await run(...args, '--behind', '127.0.0.1', 'mail.b.test');
  expect(refused.code).toBe(78);
  expect(refused.err).toMatch(/^ +smtp\.behind\.1: is no address/m);
  expect(await run(...args, '--behind', '127.0.0.1', 'fd00::/8')).toMatchObject({ code: 0 });
  const { smtp } = parseNodeConfig(await readToml(join(folder, 'node.toml')));
  expect(smtp.behind).toEqual(['127.0.0.1', 'fd00::/8']);
});

test('init writes down whom to reach and what a mix can do, and takes no other number', async () => {
  const args = ['init', '--name', 'mix1.test', ...directory, '--contact', 'operator@mix1.test'];
  const refused = await run(...args, '--capacity', '100');
  expect(refused.code).toBe(78);
  expect(refused.err).toMatch(/^ +mix\.capacity: is no power of two/m);
  expect(await run(...args, '--capacity', '256')).toMatchObject({ code: 0 });
  const { contact, mix } = parseNodeConfig(await readToml(join(folder, 'node.toml')));
  expect([contact, mix.capacity]).toEqual(['operator@mix1.test', 256]);
});

test('init takes the longest names, and refuses what no file can be called', async () => {
  const longest = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(61)}`;
  const gateway = (domain: string) => {
    const delivery = ['--role', 'mix', 'delivery', '--domain', domain, '--lmtp', 'unix:/x'];
    return run('init', '--name', longest, ...delivery, ...directory);
  };
  const refused = await gateway(longest.slice(-237));
  expect(refused.code).toBe(78);
  expect(refused.err).toContain('delivery.domain: is too long');
  expect(await readdir(folder)).toEqual([]);
  expect(await gateway(longest.slice(-236))).toMatchObject({ code: 0 });
});

test('init puts keys where nobody else may look, and the configuration anywhere', async () => {
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'node-data'));
  await chmod(join(folder, 'node-data'), 0o755);
  const args = ['init', '--name', 'mix1.test', ...directory];
  const refused = await run(...args);
  expect(refused.code).toBe(77);
  expect(refused.err).toContain('chmod 700');
  expect(await readdir(join(folder, 'node-data'))).toEqual([]);
  expect(await readdir(folder)).toEqual(['node-data']);
  await chmod(join(folder, 'node-data'), 0o700);
  expect((await run(...args)).code).toBe(0);
});

test.each([['name+keyid+AQ…'], ['x+y+z'], ['authority.test+00000000+AA==']])(
  'init takes no %s for an authority’s key, and leaves nothing behind',
  async (key) => {
    const refused = await run('init', '--name', 'mix1.test', ...directory, '--authority', key);
    expect(refused.code).toBe(78);
    expect(refused.err).toMatch(/^ +directory\.authorities\.1: is no authority key; copy the line/m);
    expect(await readdir(folder)).toEqual([]);
  },
);

test('init says what a URL looks like', async () => {
  const key = keyOf('authority.test');
  const refused = await run('init', '--name', 'mix1.test', '--directory-url', 'here', '--authority', key);
  expect(refused.code).toBe(78);
  expect(refused.err).toMatch(/^ +directory\.urls\.0: .*"https:\/\/directory\.example"/m);
});

test('init names the resolver that it is told, and no other than there may be', async () => {
  const args = ['init', '--name', 'mix1.test', ...directory, '--resolver'];
  const refused = await run(...args, 'somebody');
  expect(refused.code).toBe(78);
  expect(refused.err).toMatch(/^ +dns\.resolver: /m);
  expect(await run(...args, 'none')).toMatchObject({ code: 0 });
  expect(parseNodeConfig(await readToml(join(folder, 'node.toml'))).dns.resolver).toBe('none');
});

test('a configuration that is not there can be named or made', async () => {
  for (const command of ['run', 'status']) {
    const { code, err } = await run(command, '--config', 'elsewhere.toml');
    expect(code).toBe(78);
    expect(err).toMatch(/elsewhere\.toml does not hold:\n.*no such file\n.*--config FILE.*postern-node init/);
  }
});

test('init asks for a majority of the authorities unless told otherwise', async () => {
  const three = ['a', 'b', 'c'].flatMap((name) => ['--authority', keyOf(`${name}.test`)]);
  const common = ['init', '--name', 'mix1.test', '--directory-url', 'http://127.0.0.1:1', ...three];
  const twice = await run(...common, '--authority', keyOf('a.test'));
  expect(twice).toMatchObject({
    code: 78,
    err: expect.stringContaining('directory.authorities.3: is a second'),
  });
  const alone = await run(...common, '--threshold', '1');
  expect(alone.code).toBe(78);
  expect(alone.err).toContain('directory.threshold: is no majority');
  expect((await run(...common)).code).toBe(0);
  expect(await readFile(join(folder, 'node.toml'), 'utf8')).toContain('\nthreshold = 2\n');
  expect((await run(...common, '--threshold', '3', '--dir', 'other', '--config', 'other.toml')).code).toBe(0);
  expect(await readFile(join(folder, 'other.toml'), 'utf8')).toContain('\nthreshold = 3\n');
});

test('run reports every mistake in the configuration at once, and exits 78', async () => {
  await writeFile(join(folder, 'node.toml'), 'name = "mix1.test"\nroels = ["mix"]\n[smtp]\nlisten = "x"\n');
  const { code, err } = await run('run');
  expect(code).toBe(78);
  for (const path of ['roels', 'roles', 'smtp.listen', 'directory']) expect(err).toContain(`  ${path}: `);
});

test('run without keys says how to make them, and with stages that cannot be alone which there are', async () => {
  await run('init', '--name', 'mix1.test', ...directory);
  const only = await run('run', '--only', 'peel,deliver');
  expect(only.code).toBe(64);
  expect(only.err).toMatch(
    /alone:\n {2}"deliver" is no stage.*\n {2}the spool is in SQLite.*\n.*receive, peel, forward/,
  );
  // Words of their own are names as well, and commas make none.
  for (const words of [['peel,', 'deliver'], [' peel , deliver,']])
    expect(await run('run', '--only', ...words)).toEqual(only);
  expect((await run('run', '--only', '')).err).toContain('\n  no stage is named\n');
  const config = parseNodeConfig(await readToml(join(folder, 'node.toml')));
  const deps = { clock: systemClock, random: systemRandom, log: silentLog, stages: ['peel', 'unwrap'] };
  await expect(startNode(config, deps)).rejects.toMatchObject({
    exitCode: 64,
    message: expect.stringMatching(/\n {2}"unwrap" needs the role "delivery".*\n {2}.*SQLite/),
  });
  const data = join(folder, 'node-data');
  await chmod(data, 0o750);
  expect(await run('run')).toMatchObject({ code: 77, err: expect.stringContaining(`chmod 700 ${data}`) });
  await chmod(data, 0o700);
  await rm(join(data, 'signing.key'));
  const { code, err } = await run('run');
  expect(code).toBe(78);
  expect(err).toContain('postern-node init');
  expect(err).toContain('postern-node certify');
});

test('mix-keys destroy leaves no key, and nothing is done while a node has the data directory', async () => {
  const mixKeys = join(folder, 'node-data', 'mix-keys');
  await run('init', '--name', 'mix1.test', ...directory);
  await mkdir(mixKeys);
  for (const name of ['100.key', '101.key', '102.chain', '.102.chain.0011'])
    await writeFile(join(mixKeys, name), 'a secret');
  const held = lockDataDir(join(folder, 'node-data'));
  expect(await run('mix-keys', 'destroy')).toMatchObject({ code: 69, out: '' });
  expect(await readdir(mixKeys)).toHaveLength(4);
  held[Symbol.dispose]();
  const out = 'destroyed: keys 2, chains 1\n';
  expect(await run('mix-keys', 'destroy')).toEqual({ code: 0, out, err: '' });
  expect(await readdir(mixKeys)).toEqual([]);
});

test('a data directory that is not there is said by each command, with what to correct', async () => {
  await run('init', '--name', 'mix1.test', ...directory);
  await rm(join(folder, 'node-data'), { recursive: true });
  for (const command of [['run'], ['status'], ['mix-keys', 'destroy'], ['tls', 'pin']]) {
    const { code, err } = await run(...command);
    expect(code).toBe(78);
    expect(err).toMatch(
      /node-data, which data_dir in node\.toml names: there is no such folder\n {2}Correct data_dir/,
    );
  }
});

test.skipIf(process.geteuid?.() !== 0)('a configuration of another user says whom to run it as', async () => {
  await run('init', '--name', 'mix1.test', ...directory);
  await chmod(folder, 0o711);
  process.seteuid?.('nobody');
  try {
    const refused = readConfig(join(folder, 'node.toml'));
    await expect(refused).rejects.toMatchObject({ exitCode: 77, hint: expect.stringContaining('runuser') });
  } finally {
    process.seteuid?.(0);
  }
});

test('a node that no consensus lists lives, and is not ready', async () => {
  await using authority = await authorityIn(folder, {
    bootstrap: { nodes: 2 },
  });
  const { network } = authority;
  await run('init', '--name', 'mix1.test', '--listen', '127.0.0.1:0', ...network);
  expect(await run('status', '--ready')).toMatchObject({ code: 69 });
  const node = start('run');
  await until(() => node.err().includes('"event":"started"'));
  expect(await run('status')).toMatchObject({ code: 0, err: '' });
  const { code, err, out } = await run('status', '--ready');
  expect({ code, err }).toEqual({
    code: 75,
    err: 'postern-node: the node is not ready: there is no consensus that holds: nothing is sent\n',
  });
  expect(out).toContain('mix1.test (mix)');
});

test('a node runs until SIGTERM, tells its owner how it does, and ends with 0', async () => {
  await using authority = await authorityIn(folder, {
    bootstrap: { nodes: 1 },
    // a path of the one mix that there is
    geometry: { hops: 1 },
  });
  const { network } = authority;
  await run('init', '--name', 'mix1.test', '--listen', '127.0.0.1:0', ...network);
  expect((await run('status')).code).toBe(69);
  const node = start('run');
  await until(() => ['started', 'consensus'].every((event) => node.err().includes(`"event":"${event}"`)));

  const shown = JSON.parse((await run('status', '--json')).out) as Record<string, unknown>;
  expect(shown).toMatchObject({
    name: 'mix1.test',
    consensus: { listed: true },
    counts: { inputs: 0, relays: 0 },
  });
  const { out } = await run('status');
  expect(out).toContain('mix1.test (mix)');
  expect(out).toContain('lists this node');

  expect(await run('status', '--ready')).toMatchObject({ code: 0, err: '' });

  const second = await run('run');
  expect(second.code).not.toBe(0);
  expect(second.err).toContain('another postern-node runs on');

  node.child.kill('SIGTERM');
  const ended = await node.ended;
  expect(ended.code).toBe(0);
  const events = ended.err
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event);
  // The network's first node may find before it has started that there is no consensus yet.
  expect(events).toContain('started');
  expect(events.at(-1)).toBe('stopped');
  expect(await readFile(join(folder, 'node.toml'), 'utf8')).not.toContain('undefined');
});

test('a node that waits for the parameters of its network says so, and whom it asks, and why in vain', async () => {
  await using authority = await authorityIn(folder, {});
  const other = ['--directory-url', authority.url, '--authority', keyOf('other.test')];
  await run('init', '--name', 'mix1.test', '--listen', '127.0.0.1:0', ...other);
  const node = start('run');
  const event = 'no directory gives parameters that hold';
  await until(() => node.err().includes(event));
  const told = JSON.parse(node.err().trim().split('\n').at(-1) ?? '') as object;
  expect(told).toMatchObject({
    event,
    code: 'too-few-signatures',
    answers: `${authority.url}: too-few-signatures`,
    hint: expect.stringContaining('Check the authorities’ keys'),
  });
  const waits =
    /^postern-node: the node has not started: since \S+Z it asks .*, and no directory gives parameters that hold: (\S+): .*\n {2}Check the authorities’ keys/;
  for (const args of [['status'], ['status', '--ready'], ['author', 'complaints']]) {
    const { code, err } = await run(...args);
    expect(code).toBe(69);
    expect(waits.exec(err)?.[1]).toBe(authority.url);
  }
  node.child.kill('SIGTERM');
  expect((await node.ended).code).toBe(0);
});

test('a node that the directory does not want says so in its log', async () => {
  await using authority = await authorityIn(folder, {
    allow: ['0'.repeat(64)],
  });
  const { network } = authority;
  await run('init', '--name', 'mix1.test', '--listen', '127.0.0.1:0', ...network);
  const node = start('run');
  await until(() => /"reason":"not-allowed","event":"the directory refuses this node"/.test(node.err()));
  expect(authority.status().registered).toBe(0);
  node.child.kill('SIGTERM');
  expect((await node.ended).code).toBe(0);
});
