import { appendFile, chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
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
    '1 of 1 packet handed over',
    '',
  ]);
  const wrong = await alice(['send', '--mode', 'pigeon'], toBob);
  expect(wrong.code).toBe(64);
  expect(wrong.stderr).toContain('mix, direct, auto');
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
  expect(shown.stdout).toMatch(/\.eml: from alice@a\.test to secure@m1-0\.test\nHand them over before 2/);
  expect(msa.handed).toEqual([]);
  expect((await alice(['wrap'], toBob)).code).toBe(64);
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
