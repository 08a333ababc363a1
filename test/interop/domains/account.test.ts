import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, parseClientConfig, pathsUnder, type SendOutcome } from '@postern/client';
import { parseAuthorityConfig, startAuthority } from '@postern/directory';
import { createSmtpSender, spkiPin } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { createLog, type Endpoint, readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { createSearcher, type Hit, readAtRest, textFact, writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { type GnuPg, haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { startKnot } from '../knot.ts';
import { type MailHost, startMailHost } from '../mailhost.ts';
import { startUnbound } from '../unbound.ts';
import { senderByName } from './domain-nodes.ts';
import { haveDomains } from './domains.ts';
import { type Provider, startProvider } from './provider.ts';

type Letter = ReturnType<typeof writeLetter>;

/** Who is found where by ordinary mail: what A records would say. */
const mixes: Readonly<Record<string, string>> = {
  'mix1.test': '127.0.0.21',
  'mix2.test': '127.0.0.22',
  'mix3.test': '127.0.0.23',
};
const password = 'of alice';
const author = [
  textFact('author mailbox', 'mailbox', 'alice@p.test'),
  textFact('author mailbox', 'local part', 'alice'),
  textFact('author domain', 'domain', 'p.test'),
];

/** The third fallback of the proposal. */
describe.skipIf(!haveDomains || !haveGnuPg)('an author whose provider knows nothing of Postern', () => {
  const stack = new AsyncDisposableStack();
  const logged: string[] = [];
  let folder: string;
  let gpg: GnuPg;
  let provider: Provider;
  let hostB: MailHost;
  let alice: Client;
  let letters = 0;

  const deps = {
    clock: systemClock,
    random: systemRandom,
    log: createLog({
      name: 'node',
      level: 'debug',
      destination: { write: (line: string) => void logged.push(line) },
    }),
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-account-'));
    stack.defer(() => rm(folder, { recursive: true }));
    gpg = stack.use(startGnuPg());
    provider = stack.use(
      await startProvider({
        domain: 'p.test',
        address: '127.0.0.13',
        customer: { name: 'alice', password },
      }),
    );
    hostB = stack.use(
      await startMailHost({
        domain: 'b.test',
        address: '127.0.0.12',
        ports: { smtp: 25 },
        mailboxes: [{ name: 'bartholomew', password: 'of bartholomew' }], // for searches: chance spells three letters now and then
      }),
    );
    const { mixNodes, gateway, config } = await startNetwork();
    await Promise.all([gateway, ...mixNodes].map(({ ready }) => ready));
    alice = createClient({
      paths: pathsUnder(join(folder, 'alice')),
      config,
      password: async () => password,
    });
    stack.use(alice);
    await alice.keys.generate('alice@p.test', { noPassphrase: true });
    await alice.keys.import(gpg.run(['--export', gpg.makeKey('bartholomew <bartholomew@b.test>')]).stdout);
    gpg.run(['--import'], await alice.keys.export('alice@p.test'));
    await alice.prefetch({ withinMs: 0 });
  });
  afterAll(() => stack.disposeAsync());

  /** An authority, three mixes that ordinary mail finds, the gateway of b.test behind its Postfix, and signed DNS. */
  const startNetwork = async () => {
    const authority = stack.use(
      await startAuthority(
        parseAuthorityConfig({
          name: 'authority.test',
          data_dir: join(folder, 'authority'),
          listen: '127.0.0.1:0',
          epoch: '1h',
          bootstrap: { nodes: 4 },
        }),
        { ...deps, log: silentLog },
      ),
    );
    const make = async (node: Parameters<typeof initNode>[0]): Promise<void> => {
      await initNode(node, deps);
    };
    const start = async (name: string, resolver?: Endpoint): Promise<RunningNode> => {
      const fields = (await readToml(join(folder, `${name}.toml`))) as object;
      const dns = resolver === undefined ? {} : { dns: { resolver: text(resolver) } };
      const config = parseNodeConfig({ ...fields, data_dir: join(folder, name), ...dns });
      return stack.use(
        await startNode(config, {
          ...deps,
          sender: senderByName(createSmtpSender({ ehloName: name }), mixes),
        }),
      );
    };
    const common = (name: string) => ({
      name,
      configPath: join(folder, `${name}.toml`),
      dataDir: join(folder, name),
      directoryUrls: [authority.url],
      authorities: [authority.vkey],
    });
    for (const [name, address] of Object.entries(mixes))
      await make({ ...common(name), roles: ['mix'], listen: `${address}:25`, advertise: `${name}:25` });
    await make({
      ...common('gate.b.test'),
      roles: ['delivery'],
      listen: '127.0.0.1:0',
      advertise: '127.0.0.1:0',
      delivery: { domain: 'b.test', lmtp: text(hostB.lmtp) },
    });
    const zone = await readFile(join(folder, 'gate.b.test', 'b.test.zone'), 'utf8');
    const records = zone.replace('tls=require', 'tls=prefer').trim().split('\n');
    const knot = stack.use(
      await startKnot({ zones: [{ name: '.' }, { name: 'test' }, { name: 'b.test', records }] }),
    );
    const stubs = knot.zones.map((name) => ({ zone: name, address: knot.address }));
    const resolver = stack.use(await startUnbound({ root: knot.anchors, stubs })).address;
    const mixNodes = await Promise.all(Object.keys(mixes).map((name) => start(name)));
    const gateway = await start('gate.b.test', resolver);
    const pin = spkiPin(await readFile(join(folder, 'gate.b.test', 'tls.crt'), 'utf8'));
    await hostB.postfix.route({ gateway: { ...gateway.smtp, pin } });
    const { submission } = provider;
    const config = parseClientConfig({
      mailbox: 'alice@p.test',
      directory: { urls: [authority.url], authorities: [authority.vkey] },
      dns: { resolver: text(resolver) },
      send: { mean_delay: '20ms' },
    });
    return { mixNodes, gateway, config: { ...config, submission } };
  };

  const newLetter = (): Letter =>
    writeLetter({
      from: 'alice@p.test',
      to: ['bartholomew@b.test'],
      date: new Date(),
      attachmentBytes: 60_000,
      seed: `letter ${++letters}`,
    });

  const expectHandedOver = (outcome: SendOutcome): void =>
    expect(outcome).toMatchObject({ kind: 'sent', pending: 0, account: 'alice@p.test' });

  /** Of the one message in bartholomew's mailbox, and empties that. */
  const expectRead = async ({ message, attachment }: Letter): Promise<void> => {
    await until(async () => (await hostB.dovecot.mail('bartholomew')).length > 0);
    const [mail = Buffer.alloc(0), ...more] = await fetchInbox(hostB.account('bartholomew'));
    expect(more).toEqual([]);
    const { stdout, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], mail);
    expect(stderr).toMatch(/^\[GNUPG:\] GOODSIG [0-9A-F]{16} .*alice@p\.test/m);
    expect(bodyOf(stdout).equals(bodyOf(message))).toBe(true);
    expect(stdout.includes(attachment.bytes.subarray(0, 45).toString('base64'))).toBe(true);
    expect(mail.includes('p.test')).toBe(false);
    expect(mail.includes('Authentication-Results')).toBe(false);
    await hostB.dovecot.take('bartholomew');
  };

  /** What the provider was given waits there. */
  const untilDeferred = (): Promise<void> =>
    until(async () => {
      const queued = await provider.host.postfix.queue();
      return queued.length > 1 && queued.every(({ queue_name }) => queue_name === 'deferred');
    });

  /** What somebody knows of a letter who has what lies below these paths; in alphabetical order. */
  const knownIn = async (
    paths: readonly string[],
    { telltales: { subject, phrases, messageId } }: Letter,
  ) => {
    const { search } = createSearcher([
      textFact('recipient mailbox', 'mailbox', 'bartholomew@b.test'),
      textFact('recipient mailbox', 'local part', 'bartholomew'),
      textFact('content', 'subject', subject),
      textFact('content', 'Message-ID', messageId.replaceAll(/[<>]/g, '')),
      ...phrases.map((phrase) => textFact('content', 'phrase', phrase)),
      textFact('author mailbox', 'mailbox', 'alice@p.test'),
      textFact('recipient domain', 'domain', 'b.test'),
    ]);
    const known = new Set<string>();
    for (const path of paths)
      for await (const { bytes } of readAtRest(path))
        for (const { fact } of search(bytes)) known.add(`${fact.kind}: ${fact.what}`);
    return [...known].sort();
  };

  const expectNothingOfTheAuthor = async (): Promise<void> => {
    const { search } = createSearcher(author);
    const found: Hit[] = search(Buffer.from(logged.join('')));
    for (const name of [...Object.keys(mixes), 'gate.b.test'])
      for await (const { bytes } of readAtRest(join(folder, name))) found.push(...search(bytes));
    expect(logged.length).toBeGreaterThan(0);
    expect(found).toEqual([]);
  };

  test('through mixes: the provider learns the author alone, no mix keeps the author, and it is read', async () => {
    const { host } = provider;
    const byOrdinaryMail = (port: number) =>
      Object.fromEntries(Object.entries(mixes).map(([name, at]) => [name, { host: at, port }]));
    await provider.route(byOrdinaryMail(9)); // nobody there
    const letter = newLetter();
    expectHandedOver(await alice.send(letter.message, { mode: 'mix' }));
    await untilDeferred();
    const everything = [host.postfix.folder, host.dovecot.folder];
    expect(await knownIn(everything, letter)).toEqual(['author mailbox: mailbox']);
    await provider.route(byOrdinaryMail(25));
    await host.postfix.flush();
    await expectRead(letter);
    const log = await host.postfix.log();
    expect(log).toMatch(/to=<secure@mix[123]\.test>.* status=sent/);
    expect(log).not.toContain('bounced');
    expect(await knownIn(everything, letter)).toEqual(['author mailbox: mailbox']);
    await expectNothingOfTheAuthor();
  });

  test('direct, TLS required: a provider that cannot promise it is given nothing', async () => {
    const outcome = await alice.send(newLetter().message, { mode: 'direct' });
    expect(outcome).toMatchObject({ submitted: 0, held: [{ reason: 'no-requiretls' }] });
    expect(await provider.host.postfix.queue()).toEqual([]);
    if (outcome.kind === 'sent') await alice.outbox.discard(outcome.id);
  });

  test('direct: read as it was written; the provider learns author and domain, the other side no author', async () => {
    const letter = newLetter();
    const { postfix } = provider.host;
    await provider.route({ 'b.test': { host: '127.0.0.12', port: 9 } }); // nobody there
    expectHandedOver(await alice.send(letter.message, { mode: 'direct', tls: 'prefer' }));
    await untilDeferred();
    const stored = ['spool', 'data', 'log'].map((name) => join(postfix.folder, name)); // not what this test wrote into `etc`
    expect(await knownIn(stored, letter)).toEqual(['author mailbox: mailbox', 'recipient domain: domain']);
    await provider.route({ 'b.test': hostB.smtp });
    await postfix.flush();
    await expectRead(letter);
    await expectNothingOfTheAuthor();
  });

  test('what is not from the account’s own mailbox is refused by the provider, as anywhere', async () => {
    const { host, port, tls } = provider.submission;
    await using sender = createSmtpSender({ ehloName: 'p.test' });
    const message = Buffer.from('From: <secure@p.test>\r\nTo: <secure@b.test>\r\n\r\nhello\r\n');
    const peer = { host, port, tls, auth: { user: 'alice@p.test', pass: password } };
    const send = (from: string) => sender.send(peer, { from, to: 'secure@b.test', message });
    expect(await send('alice@p.test')).toMatchObject({ kind: 'refused' });
    expect(await send('secure@p.test')).toMatchObject({ kind: 'refused' });
  });
});

function bodyOf(message: Buffer): Buffer {
  return message.subarray(message.indexOf('\r\n\r\n') + 4);
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
