import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatClientConfig, pathsUnder } from '@postern/client';
import { type Person, writeLetter } from '@postern/testkit';
import { decryptKey, readPrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, installed } from './command.ts';
import { expiredDirectory } from './expired.ts';
import { type Processes, startProcesses } from './processes.ts';
import { type Read, type ReaderKeys, readWithGpg, readWithSq } from './readers.ts';

const [gpg, sq] = await Promise.all(['gpg', 'sq'].map(installed));

let net: Processes;
let alice: Person;
let bob: Person;
let carol: Person;
let dave: Person;

beforeAll(async () => {
  net = await startProcesses({ taps: true });
  [alice, bob, carol, dave] = ['alice@a.test', 'bob@b.test', 'carol@a.test', 'dave@b.test'].map((mailbox) =>
    net.net.person(mailbox),
  ) as [Person, Person, Person, Person];
});
afterAll(() => net?.[Symbol.asyncDispose]());

describe('a letter that mail programs without Postern read', () => {
  const letter = writeLetter({
    from: 'alice@a.test',
    to: ['bob@b.test'],
    date: new Date(),
    attachmentBytes: 100_000,
  });
  let delivered: Buffer;
  let keys: ReaderKeys;
  let author: string;

  beforeAll(async () => {
    await net.send(alice, letter.message);
    delivered = await net.arrival(bob);
    const exported = await net.postern(bob, ['keys', 'export', '--secret', bob.mailbox]);
    const certificate = await net.postern(alice, ['keys', 'export', alice.mailbox]);
    keys = { secret: exported.stdout, passphrase: bob.password, author: certificate.stdout };
    const listed = await net.postern(alice, ['keys', 'list', '--json']);
    const own = (JSON.parse(listed.stdout.toString()) as { mailbox: string; fingerprint: string }[]).find(
      ({ mailbox }) => mailbox === alice.mailbox,
    );
    author = own?.fingerprint.toUpperCase() ?? '';
  });

  /** What Postern adds inside: what stood outside, and the mark of a protected header (RFC 9788). */
  const withoutMarks = ({ plaintext }: Read): string =>
    plaintext
      .toString('latin1')
      .replace(/^HP-Outer: .*\r\n(?:[ \t].*\r\n)*/gm, '')
      .replace(';\r\n protected-headers="v1"; hp="cipher"', '');

  const attachmentIn = ({ plaintext }: Read): Buffer => {
    const [, base64 = ''] =
      /filename="Lageplan[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+?)\r\n--/.exec(plaintext.toString('latin1')) ??
      [];
    return Buffer.from(base64, 'base64');
  };

  test('outside, nothing says what it is about or who wrote it', () => {
    const text = delivered.toString('latin1');
    const header = text.slice(0, text.indexOf('\r\n\r\n'));
    expect(header).not.toMatch(/^Subject:/im);
    expect(header).toMatch(/^From: <?secure@b\.test>?$/m);
    const { messageId, subject, phrases } = letter.telltales;
    const secrets = [messageId, subject, ...phrases, 'alice', 'a.test', '=?UTF-8?'];
    expect(secrets.filter((secret) => delivered.includes(secret))).toEqual([]);
  });

  describe.skipIf(gpg !== true)('GnuPG', () => {
    test('gives every byte of it, the subject inside and the attachment, and says that its author signed it', async () => {
      const read = await readWithGpg(delivered, keys);
      expect(read.signers).toEqual([author]);
      expect(withoutMarks(read)).toBe(letter.message.toString('latin1'));
      expect(attachmentIn(read).equals(letter.attachment.bytes)).toBe(true);
    });

    test('says that nobody signed what somebody else sent', async () => {
      const stranger = await net.postern(dave, ['keys', 'export', dave.mailbox]);
      await expect(readWithGpg(delivered, { ...keys, author: stranger.stdout })).rejects.toThrow(
        /No public key/,
      );
    });
  });

  describe.skipIf(sq !== true)('sq', () => {
    test('gives the same bytes and the same author', async () => {
      const locked = await readPrivateKey({ armoredKey: keys.secret.toString() });
      const open = await decryptKey({ privateKey: locked, passphrase: keys.passphrase });
      const read = await readWithSq(delivered, { ...keys, secret: Buffer.from(open.armor()) });
      expect(withoutMarks(read)).toBe(letter.message.toString('latin1'));
      expect(read.signers).toHaveLength(1);
      expect(author.endsWith(read.signers[0] ?? 'none')).toBe(true);
    });
  });
});

describe('by the commands, every kind of message arrives byte for byte', () => {
  async function expectArrival(author: Person, message: Buffer, expected: Buffer, to: readonly Person[]) {
    const sent = await net.send(author, message);
    expect(sent).toMatchObject({
      code: 0,
      value: { pending: 0, recipients: to.map(({ mailbox }) => ({ mailbox })) },
    });
    for (const person of to) {
      const input = await net.arrival(person);
      const opened = await net.postern(person, ['open', '--json'], { input });
      expect(opened).toMatchObject({ code: 0, stderr: expect.stringContaining('signed by') });
      const shown = JSON.parse(opened.stdout.toString()) as { messageBase64: string };
      expect(shown).toMatchObject({ from: author.mailbox, vouched: true, protection: 'cipher' });
      expect(Buffer.from(shown.messageBase64, 'base64').toString('latin1')).toBe(expected.toString('latin1'));
    }
  }

  const date = 'Mon, 05 Jan 2026 09:00:00 +0000';

  test('plain text without a MIME field', async () => {
    const message = Buffer.from(
      `From: bob@b.test\r\nTo: alice@a.test\r\nSubject: Plain\r\nDate: ${date}\r\nMessage-ID: <plain@b.test>\r\n\r\nOne line.\r\n.\r\n..two dots\r\n`,
    );
    await expectArrival(bob, message, message, [alice]);
  });

  test('HTML, a subject beyond ASCII and an attachment', async () => {
    const { message } = writeLetter({
      from: carol.mailbox,
      to: [dave.mailbox],
      date: new Date(date),
      attachmentBytes: 200_000,
      seed: 'kinds',
    });
    await expectArrival(carol, message, message, [dave]);
  });

  test('several recipients at both domains, one of them in Bcc', async () => {
    const message = (bcc: string) =>
      Buffer.from(
        `From: dave@b.test\r\nTo: Alice <alice@a.test>,\r\n bob@b.test\r\nCc: dave@b.test\r\n${bcc}Subject: All\r\nDate: ${date}\r\nMessage-ID: <all@b.test>\r\n\r\nAll of you.\r\n`,
      );
    await expectArrival(dave, message('Bcc: carol@a.test\r\n'), message(''), [alice, bob, dave, carol]);
  });
});

const letter = (to: readonly string[], seed: string): Buffer =>
  writeLetter({ from: 'alice@a.test', to, date: new Date(), attachmentBytes: 1_000, seed }).message;

/** Alice with a home of her own making: the same keys and domains, another configuration. */
async function elsewhere(name: string, config: string): Promise<Person> {
  const home = join(net.net.dir, name);
  const paths = pathsUnder(home);
  await cp(dirname(alice.paths.keys), dirname(paths.keys), { recursive: true });
  await mkdir(dirname(paths.configFile), { recursive: true });
  await writeFile(paths.configFile, config);
  return { ...alice, home, paths };
}

/** What a command says, having checked that it has stored and sent nothing. */
async function expectNothingDone(person: Person, run: () => Promise<Ended>): Promise<Ended> {
  const stored = async () =>
    Promise.all([person.paths.outbox, person.paths.sent].map((path) => readdir(path).catch(() => [])));
  const before = { stored: await stored(), taken: await net.taken(), arrived: await net.unseen(bob) };
  const ended = await run();
  expect({ stored: await stored(), taken: await net.taken(), arrived: await net.unseen(bob) }).toEqual(
    before,
  );
  expect(before.stored[0]).toEqual([]);
  return ended;
}

const send = (person: Person, input: Buffer, ...args: string[]) =>
  net.postern(person, ['send', ...args], { input });

describe('what cannot be sent', () => {
  test('with a key in the configuration that is none: which, and where', async () => {
    const config = await readFile(alice.paths.configFile, 'utf8');
    const person = await elsewhere('misspelt', `mailbx = "alice@a.test"\n${config}`);
    const ended = await expectNothingDone(person, () => send(person, letter([bob.mailbox], 'misspelt')));
    expect(ended.code).toBe(78);
    expect(ended.stderr).toContain('mailbx');
    expect(ended.stderr).toContain(person.paths.configFile);
  });

  test('with a consensus that has expired: that it is too old, and that no other is there', async () => {
    await using directory = await expiredDirectory(net.net.describe().directory);
    const trust = { urls: [directory.url], authorities: [directory.vkey], threshold: 1 };
    const person = await elsewhere(
      'late',
      formatClientConfig({ mailbox: alice.mailbox, ...trust, resolver: 'none' }),
    );
    const ended = await expectNothingDone(person, () => send(person, letter([bob.mailbox], 'late')));
    expect(directory.asked()).toBeGreaterThan(0);
    expect(ended).toMatchObject({ code: 75 });
    expect(ended.stderr).toMatch(/it was valid until .*, \d+ s before the time here/);
    expect(ended.stderr).toContain('Check the clock');
  });

  test('of more than 25,000,000 bytes: how many are the most, and what to do instead', async () => {
    const short = letter([bob.mailbox], 'long');
    const message = Buffer.concat([short, Buffer.alloc(25_000_001 - short.length, 'x')]);
    const ended = await expectNothingDone(alice, () => send(alice, message));
    expect(ended).toMatchObject({ code: 65 });
    expect(ended.stderr).toContain('more than 25000000 bytes');
    expect(ended.stderr).toContain('Give less at once');
  });

  test('to somebody whose key is not there: whose, and what to do', async () => {
    const message = letter([bob.mailbox, 'mallory@b.test'], 'stranger');
    const ended = await expectNothingDone(alice, () => send(alice, message));
    expect(ended).toMatchObject({ code: 65 });
    expect(ended.stderr).toContain('mallory@b.test');
    expect(ended.stderr).toContain('postern keys import');
  });

  test('to a first mix with another TLS key: it gets nothing, and once the right one is back nothing is lost', async () => {
    const shown = await net.postern(alice, ['route', '--json']);
    const { layers } = JSON.parse(shown.stdout.toString()) as { layers: { eligible: { name: string }[] }[] };
    const [first, second] = layers.map(({ eligible }) => net.net.member(eligible[0]?.name ?? ''));
    if (first?.tap === undefined || second === undefined) throw new Error('there is no path');
    const message = letter([bob.mailbox], 'wrong pin');

    const before = await net.taken();
    first.tap.leadTo(second.listen);
    const ended = await send(alice, message, '--pin', first.name, '--timeout', '5s');
    expect(ended).toMatchObject({ code: 69 });
    expect(ended.stderr).toContain(first.name);
    expect(ended.stderr).toMatch(/another TLS key/i);
    expect(await net.taken()).toBe(before);

    first.tap.leadTo(first.listen);
    expect(await net.postern(alice, ['flush'])).toMatchObject({ code: 0 });
    const opened = await net.postern(bob, ['open'], { input: await net.arrival(bob) });
    expect(message.equals(opened.stdout)).toBe(true);
    expect(await readdir(alice.paths.outbox)).toEqual([]);
    await rm(alice.paths.sent, { recursive: true });
  });
});
