import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createClient, pathsUnder } from '../src/index.ts';
import { folder } from './folder.ts';
import { type Network, startNetwork } from './network.ts';
import { message } from './people.ts';
import { postern } from './terminal.ts';

const node = [
  process.execPath,
  '--conditions=@postern/source',
  fileURLToPath(new URL('../src/main.ts', import.meta.url)),
];

/** util-linux: gives a command a terminal. */
const script = '/usr/bin/script';

let network: Network;
let home: string;

/** The command as a process of its own. */
function start(...args: string[]): ChildProcessWithoutNullStreams {
  const [command = '', ...rest] = node;
  const child = spawn(command, [...rest, '--home', home, ...args], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function ended(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr };
}

const hex = (packets: readonly Uint8Array[]): string[] =>
  packets.map((packet) => Buffer.from(packet).toString('hex'));

beforeEach(async () => {
  network = await startNetwork({ now: Date.now(), mixesPerLayer: 2 });
  home = await folder();
  const where = ['--directory-url', network.url, '--authority', network.vkey];
  await postern(['--home', home, 'init', '--mailbox', 'alice@a.test', ...where]);
  const client = createClient({ paths: pathsUnder(home) });
  await client.keys.generate('alice@a.test', { noPassphrase: true });
  await client.domains.pin(network.zones.get('a.test') ?? '');
});

async function longMessage(bytes: number): Promise<string> {
  const path = join(home, 'long.eml');
  const body = Buffer.alloc(bytes, 'postern ').toString('base64').replace(/.{76}/g, '$&\r\n');
  await writeFile(path, message({ From: 'alice@a.test', To: 'alice@a.test' }, body));
  return path;
}

test('a short message, by a process of its own', async () => {
  const child = start('send', '--json');
  child.stdin.end(message({ From: 'alice@a.test', To: 'alice@a.test' }));
  const { code, stdout, stderr } = await ended(child);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ submitted: 1, pending: 0 });
  expect((await network.deliver()).get('alice@a.test')).toHaveLength(1);
});

test('an error is told with its hint and its code', async () => {
  const child = start('send');
  child.stdin.end(message({ From: 'alice@a.test', To: 'bob@b.test' }));
  expect(await ended(child)).toMatchObject({
    code: 65,
    stdout: '',
    stderr: expect.stringMatching(/^postern: .*\n {2}[A-Z]/),
  });
  home = await folder();
  const none = start('route');
  expect(await ended(none)).toMatchObject({
    code: 78,
    stderr: expect.stringMatching(/^postern: there is no configuration.*\n {2}Make one/),
  });
});

test('killed while it builds, nothing of the message stays; sent again, it arrives once', async () => {
  const child = start('send', await longMessage(1_200_000));
  const outbox = join(home, 'state', 'outbox');
  await vi.waitFor(
    async () => {
      const [staged] = (await readdir(outbox)).filter((name) => name.startsWith('.staged-'));
      expect((await readdir(join(outbox, staged ?? ''))).length).toBeGreaterThan(3);
    },
    { timeout: 20_000, interval: 5 },
  );
  child.kill('SIGKILL');
  await ended(child);
  expect(network.packets()).toEqual([]);
  const flush = await ended(start('flush', '--json'));
  expect(JSON.parse(flush.stdout)).toMatchObject({ submitted: 0, pending: 0 });
  expect(await readdir(outbox)).toEqual([]);
  expect(await readdir(join(home, 'state', 'sent'))).toEqual([]);
  expect((await ended(start('send', join(home, 'long.eml')))).code).toBe(0);
  expect((await network.deliver()).get('alice@a.test')).toHaveLength(1);
});

test('killed while it hands over, flush goes on with the same packets: nothing lost, nothing rebuilt', async () => {
  const child = start('send', await longMessage(1_000_000));
  let taken = 0;
  for (const mix of network.mixes) {
    mix.answer = () => {
      // The packet of the last answer is taken, but the sender never hears so.
      if (++taken === 10) child.kill('SIGKILL');
      return 'accept';
    };
  }
  await ended(child);
  const before = hex(network.packets());
  const left = createClient({ paths: pathsUnder(home) });
  const waiting = await left.outbox.queued();
  expect(waiting.length).toBeGreaterThan(0);
  const flush = await ended(start('flush', '--json'));
  expect(flush).toMatchObject({ code: 0 });
  expect(JSON.parse(flush.stdout)).toMatchObject({ submitted: waiting.length, pending: 0 });
  const all = hex(network.packets());
  expect(all.length).toBe(before.length + waiting.length);
  // A mix drops the second copy by its replay tag; here by its bytes.
  const first = network.mixes.map((mix) => ({
    mix,
    packets: new Map(mix.packets.map((p) => [Buffer.from(p).toString('hex'), p])),
  }));
  for (const { mix, packets } of first) mix.packets.splice(0, mix.packets.length, ...packets.values());
  expect(all.length - network.packets().length).toBeLessThanOrEqual(4);
  expect((await network.deliver()).get('alice@a.test')).toHaveLength(1);
});

test('interrupted while it waits, it ends with 75 and keeps the packets', async () => {
  for (const mix of network.mixes) mix.answer = () => 'defer';
  const child = start('send');
  child.stdin.end(message({ From: 'alice@a.test', To: 'alice@a.test' }));
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (data: Buffer) => data.includes('trying again') && resolve());
  });
  child.kill('SIGINT');
  expect(await ended(child)).toMatchObject({ code: 75 });
  expect(await createClient({ paths: pathsUnder(home) }).outbox.queued()).toHaveLength(1);
});

test('a passphrase is asked for at the terminal, and not shown', async (context) => {
  if (!existsSync(script)) context.skip('script(1) is not installed');
  const command = [...node, '--home', home, 'keys', 'generate', 'office@a.test'].join(' ');
  const child = spawn(script, ['-qec', command, '/dev/null'], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  let shown = '';
  child.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
    if (shown.endsWith('New passphrase: ')) child.stdin.write('hunterx\u007f2\r');
    if (shown.endsWith('Once more: ')) child.stdin.write('hunter2\r');
  });
  const [code] = await once(child, 'close');
  expect({ code, shown }).toMatchObject({ code: 0 });
  expect(shown).toContain('office@a.test');
  expect(shown).not.toContain('hunter');
  const client = createClient({ paths: pathsUnder(home), passphrase: async () => 'hunter2' });
  expect((await client.keys.signingKey('office@a.test')).isDecrypted()).toBe(true);
});

test('ended while it asks for a passphrase, it leaves the terminal as it was', async (context) => {
  if (!existsSync(script)) context.skip('script(1) is not installed');
  const pidFile = join(home, 'pid');
  const asks = [...node, '--home', home, 'keys', 'generate', 'office@a.test'].join(' ');
  const command = `sh -c 'echo $$ >${pidFile}; exec ${asks}'; code=$?; stty -a | grep -ow -e '-echo' -e '-icanon'; exit $code`;
  const child = spawn(script, ['-qec', command, '/dev/null'], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  let shown = '';
  child.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
    if (shown.endsWith('New passphrase: ')) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
  });
  const [code] = await once(child, 'close');
  expect({ code, shown }).toEqual({ code: 75, shown: 'New passphrase: \r\npostern: interrupted\r\n' });
  expect(await createClient({ paths: pathsUnder(home) }).keys.owns('office@a.test')).toBe(false);
});

test('without a terminal and without a passphrase nothing is made', async () => {
  const child = start('keys', 'generate', 'office@a.test');
  child.stdin.end();
  const { code, stderr } = await ended(child);
  expect(code).toBe(77);
  expect(stderr).toContain('--passphrase-file');
});
