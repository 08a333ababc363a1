import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Opened, SendMode } from '@postern/client';
import { writeLetter } from '@postern/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { type GnuPg, haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { haveSwaks, swaks } from '../swaks.ts';
import { type Domains, haveDomains, startDomains } from './domains.ts';

type Letter = ReturnType<typeof writeLetter>;
type Hand = 'postern' | 'swaks';

const modes = ['direct', 'mix'] as const satisfies SendMode[];
const ways = modes.flatMap((mode) => (['postern', 'swaks'] as const).map((hand) => [mode, hand] as const));

/** Everything between an author and a mailbox, as two operators run it. */
describe.skipIf(!haveDomains || !haveSwaks || !haveGnuPg)('from author to mailbox, and back', () => {
  const stack = new AsyncDisposableStack();
  let domains: Domains;
  let gpg: GnuPg;
  let folder: string;
  let letters = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-chain-'));
    stack.defer(() => rm(folder, { recursive: true }));
    gpg = stack.use(startGnuPg());
    domains = stack.use(await startDomains());
    for (const name of ['bob', 'full', 'nobody']) {
      const key = gpg.makeKey(`${name} <${name}@b.test>`);
      await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
    }
    await domains.alice.prefetch({ withinMs: 0 });
    gpg.run(['--import'], await domains.alice.keys.export('alice@a.test'));
  });
  afterAll(() => stack.disposeAsync());
  afterEach(async () => {
    await domains.a.host.dovecot.take('alice');
    await domains.b.host.dovecot.take('bob');
  });

  const letterTo = (to: string, attachmentBytes = 1_000): Letter => {
    const seed = `letter ${++letters}`;
    return writeLetter({ from: 'alice@a.test', to: [to], date: new Date(), attachmentBytes, seed });
  };

  /** Gives how many carriages it took. */
  const submit = async ({ message }: Letter, mode: SendMode, hand: Hand = 'postern'): Promise<number> => {
    if (hand === 'swaks') return bySwaks(message, mode);
    const outcome = await domains.alice.send(message, { mode });
    expect(outcome).toMatchObject({ kind: 'sent', pending: 0, warnings: [] });
    return outcome.kind === 'sent' ? outcome.submitted : 0;
  };

  const bySwaks = async (message: Uint8Array, mode: SendMode): Promise<number> => {
    const wrapped = await domains.alice.wrap(message, { mode, directory: folder });
    if (wrapped.kind === 'refused') throw new Error(wrapped.problems[0]?.message);
    const { gateway } = domains.a;
    const [server = { host: '', port: 0 }] = gateway.node.submissions;
    for (const { file, from, to } of wrapped.files) {
      const how = { server, tls: 'starttls', ca: gateway.certificate, login: domains.login } as const;
      const { code, transcript } = await swaks({ ...how, from, to, message: await readFile(file) });
      if (code !== 0) throw new Error(transcript);
    }
    return wrapped.files.length;
  };

  /** The reports that alice's program finds once nothing is under way any more. */
  const reports = async (): Promise<Opened[]> => {
    const { host } = domains.a;
    await until(async () => (await host.dovecot.mail('alice')).length > 0);
    await until(() => domains.settled());
    return Promise.all((await fetchInbox(host.account('alice'))).map((mail) => domains.alice.open(mail)));
  };

  test.each(ways)('%s, handed over by %s: read from the mailbox as it was written', async (mode, hand) => {
    const before = await seen(domains);
    const letter = letterTo('bob@b.test', 60_000);
    const carriages = await submit(letter, mode, hand);
    expect(carriages).toBeGreaterThan(1);
    const { host } = domains.b;
    await until(async () => (await host.dovecot.mail('bob')).length > 0);
    const [mail = Buffer.alloc(0), ...more] = await fetchInbox(host.account('bob'));
    expect(more).toEqual([]);

    const { stdout, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], mail);
    expect(stderr).toMatch(/^\[GNUPG:\] GOODSIG [0-9A-F]{16} .*alice@a\.test/m);
    expect(bodyOf(stdout).equals(bodyOf(letter.message))).toBe(true);
    expect(attachmentIn(stdout).equals(letter.attachment.bytes)).toBe(true);
    expect(mail.includes('alice')).toBe(false);

    await until(() => domains.settled());
    const after = await seen(domains);
    expect(after.gateway - before.gateway).toBe(carriages);
    const [byMixes, byServers] = mode === 'mix' ? [carriages, 0] : [0, carriages];
    expect(after.mixes.map((count, at) => count - (before.mixes[at] ?? 0))).toEqual(
      domains.mixes.map(() => byMixes),
    );
    expect(after.servers.map((count, at) => count - (before.servers[at] ?? 0))).toEqual([
      byServers,
      byServers,
    ]);
    expect(await domains.a.host.dovecot.mail('alice')).toEqual([]);
  });

  test.each(ways)('%s, handed over by %s: a mailbox that is not there is told once', async (mode, hand) => {
    const letter = letterTo('nobody@b.test');
    await submit(letter, mode, hand);
    expect(await reports()).toEqual([
      expect.objectContaining({
        kind: 'report',
        messageId: letter.telltales.messageId,
        recipient: 'nobody@b.test',
        action: 'failed',
        status: '5.1.1',
        sealed: true,
      }),
    ]);
  });

  test.each(modes)('%s: a full mailbox is told once', async (mode) => {
    const letter = letterTo('full@b.test', 60_000);
    await submit(letter, mode);
    expect(await reports()).toEqual([
      expect.objectContaining({
        kind: 'report',
        messageId: letter.telltales.messageId,
        recipient: 'full@b.test',
        status: '5.2.2',
        sealed: true,
      }),
    ]);
  });

  describe('what goes wrong between the mail servers is told once, by what they said', () => {
    afterEach(() => domains.routeAsUsual());

    /** A letter of several carriages to bob, and what alice is told of it. */
    const told = async (): Promise<{ letter: Letter; reports: Opened[] }> => {
      const letter = letterTo('bob@b.test', 60_000);
      expect(await submit(letter, 'direct')).toBeGreaterThan(1);
      return { letter, reports: await reports() };
    };
    const failed = ({ telltales: { messageId } }: Letter, status: string) =>
      expect.objectContaining({ kind: 'report', messageId, action: 'failed', status, sealed: false });

    test('the other domain’s refuses it', async () => {
      const { postfix } = domains.b.host;
      const mailboxes = join(postfix.folder, 'etc', 'mailboxes');
      const known = await readFile(mailboxes, 'utf8');
      await writeFile(mailboxes, 'bob@b.test dovecot\n');
      await domains.routeAsUsual(); // has the file read
      try {
        const { letter, reports } = await told();
        expect(reports).toEqual([failed(letter, '5.1.1')]);
      } finally {
        await writeFile(mailboxes, known);
      }
    });

    test('the other domain’s takes it, and its gateway does not', async () => {
      const { a, b } = domains;
      await b.host.postfix.route({ gateway: a.gateway.at });
      const { letter, reports } = await told();
      expect(reports).toEqual([failed(letter, '5.7.1')]);
      expect(await b.host.dovecot.mail('bob')).toEqual([]);
    });
  });
});

/** How many carriages the gateway of b.test has taken, the mixes have passed on, and the mail servers have. */
async function seen({ a, b, mixes }: Domains) {
  const statuses = await Promise.all(mixes.map((mix) => mix.status()));
  const logs = await Promise.all([a, b].map(({ host }) => host.postfix.log()));
  const { counters } = await b.gateway.node.status();
  return {
    gateway: counters.received.accepted ?? 0,
    mixes: statuses.map((status) => status.counters.forwarded.sent ?? 0),
    servers: logs.map((log) => log.match(/to=<secure@b\.test>.* status=sent/g)?.length ?? 0),
  };
}

function bodyOf(message: Buffer): Buffer {
  return message.subarray(message.indexOf('\r\n\r\n') + 4);
}

function attachmentIn(message: Buffer): Buffer {
  const part = message.toString('latin1').split('Content-Disposition: attachment')[1] ?? '';
  return Buffer.from(/\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--/.exec(part)?.[1] ?? '', 'base64');
}
