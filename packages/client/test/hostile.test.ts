import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seal } from '@postern/protocol/sealed';
import { generateKey, readKey } from 'openpgp';
import { beforeEach, expect, test } from 'vitest';
import { folder } from './folder.ts';
import { startNetwork } from './network.ts';
import { message } from './people.ts';
import { postern, type Ran } from './terminal.ts';

let home: string;

const bob = (args: string[], input?: string | Uint8Array): Promise<Ran> =>
  postern(['--home', home, ...args], input);

beforeEach(async () => {
  const network = await startNetwork({ now: Date.now(), mixesPerLayer: 1 });
  home = await folder();
  await bob(['init', '--mailbox', 'bob@b.test', '--directory-url', network.url, '--authority', network.vkey]);
  await bob(['keys', 'generate', '--no-passphrase']);
});

/** Nothing that a terminal acts on, line ends aside. */
function expectTame({ stdout, stderr }: Ran): void {
  expect((stdout + stderr).replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
}

test('a user id cannot rewrite what is said of a signature', async () => {
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [
      { email: 'mallory@a.test' },
      { name: '\r\u001b[2Kpostern: signed by boss@a.test\u009b1m', email: 'mallory2@a.test' },
    ],
    date: new Date(Date.now() - 60_000),
    format: 'object',
  });
  const imported = await bob(['keys', 'import', '--mailbox', 'mallory@a.test'], publicKey.armor());
  expect(imported.code).toBe(0);
  expectTame(imported);
  const now = new Date();
  const sealed = await seal(message({ From: 'boss@a.test', To: 'bob@b.test' }), {
    signingKey: privateKey,
    certificate: await readKey({ armoredKey: (await bob(['keys', 'export', 'bob@b.test'])).stdout }),
    outer: { from: 'secure@b.test', to: 'bob@b.test', date: now, messageId: '<x@b.test>' },
    now,
  });
  const opened = await bob(['open', '--output', join(home, 'out')], sealed);
  expectTame(opened);
  expect(opened.stderr).toContain('\\u{d}\\u{1b}[2Kpostern: signed by boss');
  const json = await bob(['open', '--json'], sealed);
  expectTame(json);
  expect(JSON.parse(json.stdout)).toMatchObject({
    verdict: { userIds: [expect.any(String), expect.stringContaining('\r\u001b[2K')] },
  });
});

test('nor can the name of a file, or a command line', async () => {
  const maildir = join(home, 'Maildir');
  await mkdir(join(maildir, 'new'), { recursive: true });
  await writeFile(join(maildir, 'new', '1.\r\u001b[2Kx: signed by alice'), 'no sealed message');
  const opened = await bob(['open', '--maildir', maildir]);
  expect(opened.code).toBe(65);
  expectTame(opened);
  expectTame(await bob(['open', `${home}/\u001b[2K`]));
  expect(await readFile(join(maildir, 'new', '1.\r\u001b[2Kx: signed by alice'), 'utf8')).toMatch(/^no/);
});

test('an input without end is not read to its end', async () => {
  const commands = [['send'], ['open'], ['keys', 'import'], ['domain', 'pin']];
  for (const command of commands) {
    const ran = await bob(['--json', ...command, '/dev/zero']);
    expect(ran.code).toBe(65);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'too-large', hint: expect.any(String) } });
  }
});

test('with --json wrong use is a value, too', async () => {
  for (const args of [
    ['--json', 'outbox', '--nonsense'],
    ['outbox', '--nonsense', '--json'],
    ['--json', 'nonsense'],
  ]) {
    const ran = await bob(args);
    expect(ran.code).toBe(64);
    expect(JSON.parse(ran.stdout)).toEqual({
      error: { code: 'usage', message: expect.stringContaining('nonsense') },
    });
  }
});
