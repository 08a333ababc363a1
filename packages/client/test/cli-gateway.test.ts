import { once } from 'node:events';
import { appendFile, chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { composeReport } from '@postern/mail';
import { defaultGeometry } from '@postern/protocol/packet';
import { decodeReturnInfo, sealReport } from '@postern/protocol/report';
import { beforeEach, expect, test } from 'vitest';
import { folder } from './folder.ts';
import { givePassword, type Msa, startMsa } from './msa.ts';
import { type Network, startNetwork } from './network.ts';
import { message } from './people.ts';
import { postern, type Ran } from './terminal.ts';

const now = Date.now();
const toBob = message({
  From: 'alice@a.test',
  To: 'bob@b.test',
  Subject: 'lunch',
  'Message-ID': '<lunch@a.test>',
});

let network: Network;
let msa: Msa;
let home: string;

const alice = (args: string[], input?: string | Uint8Array): Promise<Ran> =>
  postern(['--home', home, ...args], input);

async function succeed(ran: Promise<Ran>): Promise<Ran> {
  const result = await ran;
  if (result.code !== 0) throw new Error(`${result.code}: ${result.stderr}`);
  return result;
}

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 1, tls: 'prefer' });
  msa = await startMsa();
  home = await folder();
  const bobHome = await folder();
  const bob = (args: string[]): Promise<Ran> => succeed(postern(['--home', bobHome, ...args]));
  const where = ['--directory-url', network.url, '--authority', network.vkey];
  await bob(['init', '--mailbox', 'bob@b.test', ...where]);
  await bob(['keys', 'generate', '--no-passphrase']);
  await succeed(alice(['init', '--mailbox', 'alice@a.test', ...where]));
  await succeed(alice(['keys', 'generate', '--no-passphrase']));
  await succeed(alice(['keys', 'import'], (await bob(['keys', 'export', 'bob@b.test'])).stdout));
  await succeed(alice(['domain', 'pin', '-'], network.zones.get('b.test')));
  const { host, port, tls } = msa.submission;
  const password = join(home, 'password');
  await writeFile(password, await givePassword(), { mode: 0o600 });
  const pin = tls.kind === 'pin' ? tls.pins[0] : '';
  await appendFile(
    join(home, 'config', 'config.toml'),
    `[submission]\nserver = "${host}:${port}"\nuser = "alice"\npin = "${pin}"\npassword_file = "${password}"\n`,
  );
});

/** A letter of the own gateway about what was handed over last, sealed under the key that went along. */
async function letter(): Promise<Buffer> {
  const handed = msa.handed.at(-1);
  const fragment = await network.unwrap({ domain: 'b.test', unit: handed?.bytes ?? new Uint8Array() });
  const info = decodeReturnInfo(defaultGeometry, fragment.returnInfo);
  if (info.kind !== 'domain') throw new Error(info.kind);
  const report = {
    action: 'failed',
    made: 3600,
    status: '5.2.2',
    recipient: 'bob@b.test',
    diagnostic: 'quota exceeded',
  } as const;
  const made = composeReport({
    author: 'alice@a.test',
    domain: 'a.test',
    token: handed?.id ?? '',
    action: 'failed',
    sealed: { kind: 'sealed', data: sealReport(info.key, report) },
    now: new Date(now),
    random: (length) => new Uint8Array(length),
  });
  // As it lies in a Maildir.
  return Buffer.from(Buffer.from(made).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}

test('send says which mode each recipient has, why, and that it may travel unencrypted', async () => {
  const sent = await succeed(alice(['send', '--mode', 'direct', '--tls', 'prefer'], toBob));
  expect(sent.stdout.split('\n')).toEqual([
    '<lunch@a.test>',
    'bob@b.test: 1 envelope, direct',
    expect.stringMatching(/^ {2}key: [0-9A-F]{40}, imported, pinned since /),
    expect.stringMatching(/^ {2}domain: [0-9a-f]{40}, pinned$/),
    '  mode: direct, the mode asked for; it may travel unencrypted between mail servers',
    '  reports: the recipient’s gateway can tell you what it cannot deliver',
    '1 of 1 envelope handed over to 127.0.0.1 (your gateway)',
    '',
  ]);
  const wrong = await alice(['send', '--mode', 'pigeon'], toBob);
  expect(wrong.code).toBe(64);
  expect(wrong.stderr).toContain('mix, direct, auto');
});

/** Lets `[submission]` of Alice's configuration say something else. */
async function submission(change: (section: string) => string): Promise<void> {
  const path = join(home, 'config', 'config.toml');
  const config = await readFile(path, 'utf8');
  const at = config.lastIndexOf('\n[submission]\n') + 1;
  await writeFile(path, config.slice(0, at) + change(config.slice(at)));
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('what waits for the own gateway is called what it is, and the gateway is named while it is tried again', async () => {
  const port = await unusedPort();
  await submission((section) => section.replace(/server = .*/, `server = "127.0.0.1:${port}"`));
  const sent = await alice(['send', '--json', '--mode', 'direct', '--timeout', '2s'], toBob);
  expect(sent.code).toBe(75);
  expect(sent.stderr).toMatch(
    /^postern: 127\.0\.0\.1 \(your gateway\): nothing answers there; trying again in \d+ s\n/,
  );
  expect(sent.stderr).toMatch(
    /postern: 1 envelope could not be handed over at 127\.0\.0\.1 \(your gateway\): nothing answers there\npostern: what is left/,
  );
  const { id, waiting } = JSON.parse(sent.stdout);
  expect(waiting).toMatchObject([{ packets: 1, envelopes: 1 }]);
  const listed = await succeed(alice(['outbox']));
  expect(listed.stdout).toMatch(new RegExp(`^${id} +1 envelope +until 2`));
  const through = await alice(['send', '--timeout', '0s'], toBob);
  expect(through.stderr).toContain('1 packet could not be handed over: the time was over');
  const flushed = await alice(['flush', '--timeout', '0s']);
  expect(flushed.stdout).toBe('0 of 2 handed over to 127.0.0.1 (your gateway)\n');
  expect(flushed.stderr).toContain('1 packet and 1 envelope could not be handed over: the time was over');
  const discarded = await succeed(alice(['outbox', '--discard', id]));
  expect(discarded.stdout).toBe(`Discarded 1 envelope of ${id}.\n`);
});

test('a server of the other kind of TLS: what was asked of it is shown, and what its port may want', async () => {
  await submission((section) => `${section}tls = "implicit"\n`);
  const { port } = msa.submission;
  const sent = await alice(['send', '--mode', 'direct', '--timeout', '1s'], toBob);
  expect(sent.code).toBe(69);
  expect(sent.stderr).toContain(`  Is tls = "implicit" in [submission] right for port ${port}? Port 465 `);
  // As a server looks from here that waits for TLS, and gives up.
  const deaf = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  const other = (deaf.address() as AddressInfo).port;
  await submission((section) =>
    section.replace(/server = .*/, `server = "127.0.0.1:${other}"`).replace('"implicit"', '"starttls"'),
  );
  const lost = await alice(['flush', '--timeout', '1s']);
  deaf.close();
  expect(lost.code).toBe(75);
  expect(lost.stderr).toContain('at 127.0.0.1 (your gateway): the connection broke\n');
  expect(lost.stderr).toContain(`  Is tls = "starttls" in [submission] right for port ${other}? Port 465 `);
  msa.answer = 'refuse';
  await submission((section) => section.replace(/server = .*/, `server = "127.0.0.1:${port}"`));
  const refused = await alice(['flush', '--timeout', '1s']);
  expect(refused.stderr).toContain('1 envelope kept: 127.0.0.1 (your gateway) refuses them');
  expect(refused.stderr).not.toContain('Is tls');
});

test('route says of a first mix that an account does not reach that it is so, and what to do', async () => {
  await submission((section) => section.replace('[submission]', '[submission]\nkind = "account"'));
  const shown = await alice(['route', '--explain']);
  expect(shown.code).toBe(65);
  expect(shown.stdout).toMatch(/m1-0\.test +0 % +ordinary mail, .*, does not find it\n/);
  expect(shown.stdout).toMatch(/m2-0\.test +0 % +no path: layer 1 has no mix left\n/);
  expect(shown.stderr).toMatch(
    /can be reached by ordinary mail.*\n {2}.*port 25 of the host of its own name/,
  );
});

test('by an account, send says what that gives away, and what its provider cannot promise', async () => {
  const path = join(home, 'config', 'config.toml');
  const config = await readFile(path, 'utf8');
  await writeFile(path, config.replace('\n[submission]\n', '\n[submission]\nkind = "account"\n'));
  const sent = await alice(['send', '--mode', 'direct'], toBob);
  expect(sent.code).toBe(69);
  expect(sent.stdout).toContain(
    'by the account alice@a.test, whose provider knows nothing of Postern: it learns that you send, when and how much, and the recipient’s domain, whose gateway sees your mailbox\n',
  );
  expect(sent.stderr).toContain('it offers no REQUIRETLS');
  expect((await alice(['wrap', '--output', home], toBob)).code).toBe(64);
});

test('a report is told in words: which message, to whom, why, what to do; and then it is forgotten', async () => {
  await succeed(alice(['send', '--mode', 'direct'], toBob));
  const report = await letter();
  const opened = await succeed(alice(['open'], report));
  expect(opened.stdout).toBe(
    [
      'Your message <lunch@a.test> was NOT DELIVERED.',
      'Subject: lunch',
      'To: bob@b.test',
      'Not reached: bob@b.test',
      'Reason: the mailbox is full (5.2.2), with the words: quota exceeded',
      'Said by: the gateway of the recipient’s domain, sealed for you',
      'What to do: nobody will try again: ask bob@b.test in another way, and send it again once that is mended',
      '',
    ].join('\n'),
  );
  const again = await alice(['open'], report);
  expect(again.code).toBe(65);
  expect(again.stderr).toContain('not sent from here, one that was told and forgotten, or a forged one');
});

test('a Maildir with a report in it', async () => {
  await succeed(alice(['send', '--mode', 'direct'], toBob));
  const maildir = await folder();
  for (const name of ['cur', 'new', 'tmp']) await mkdir(join(maildir, name));
  await writeFile(join(maildir, 'new', '1.M1.host'), await letter());
  const opened = await succeed(alice(['open', '--json', '--maildir', maildir]));
  expect(JSON.parse(opened.stdout)).toEqual([
    {
      name: '1.M1.host',
      kind: 'report',
      token: expect.stringMatching(/^[0-9a-f]{32}$/),
      set: expect.stringMatching(/^[0-9a-f]{32}$/),
      messageId: '<lunch@a.test>',
      subject: 'lunch',
      to: 'bob@b.test',
      recipient: 'bob@b.test',
      action: 'failed',
      status: '5.2.2',
      diagnostic: 'quota exceeded',
      sealed: true,
    },
  ]);
  expect(await readdir(join(home, 'state', 'returns'))).toEqual([]);
});

test('wrap writes files and lists them with their envelope', async () => {
  const output = join(await folder(), 'out');
  const wrapped = await succeed(alice(['wrap', '--json', '--mode', 'direct', '--output', output], toBob));
  const { id, files } = JSON.parse(wrapped.stdout);
  expect(files).toMatchObject([{ from: 'alice@a.test', to: 'secure@b.test' }]);
  const carriage = await readFile(files[0].file, 'latin1');
  expect(carriage).toMatch(/^From: <secure@a\.test>\r\nTo: <secure@b\.test>\r\n/);
  expect((await readdir(join(output, id))).sort()).toContain('list.json');
  const shown = await succeed(alice(['wrap', '--output', output], toBob));
  expect(shown.stdout).toMatch(
    /\.eml: from alice@a\.test to secure@m1-0\.test\nHand them over before 2.*, to the gateway of your own domain and to no other server\.\n$/,
  );
  expect(shown.stderr).toBe('');
  expect(msa.handed).toEqual([]);
  expect((await alice(['wrap'], toBob)).code).toBe(64);
  await submission(() => '');
  const without = await succeed(alice(['wrap', '--output', output], toBob));
  expect(without.stderr).toMatch(/^postern: no gateway of your own domain is configured/);
});

test('wrap takes a folder that others may look into, and none that they may write to', async () => {
  const output = await folder();
  await chmod(output, 0o755);
  const wrapped = await succeed(alice(['wrap', '--json', '--output', output], toBob));
  const { id } = JSON.parse(wrapped.stdout);
  expect((await stat(join(output, id))).mode & 0o777).toBe(0o700);
  await chmod(output, 0o775);
  const refused = await alice(['wrap', '--output', output], toBob);
  expect(refused).toMatchObject({ code: 77, stdout: '' });
  expect(refused.stderr).toContain(`chmod go-w ${output}`);
  expect(await readdir(output)).toEqual([id]);
});
