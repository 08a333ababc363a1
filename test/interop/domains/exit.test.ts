import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { writeLetter } from '@postern/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { type GnuPg, haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { type Domains, haveDomains, startDomains } from './domains.ts';

const names = ['b.test', 'c.test', 'evil.test'];

/** Mixes whose consensus lists no gateway of any domain but the author's: the others have nothing but their records in DNS. */
describe.skipIf(!haveDomains || !haveGnuPg)('through mixes to domains that DNS alone names', () => {
  const stack = new AsyncDisposableStack();
  let domains: Domains;
  let gpg: GnuPg;
  let exchangerOfC: Server;
  let connections = 0;
  let letters = 0;

  beforeAll(async () => {
    exchangerOfC = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    exchangerOfC.listen(25, '127.0.0.13');
    await once(exchangerOfC, 'listening');
    stack.defer(() => void exchangerOfC.close());
    gpg = stack.use(startGnuPg());
    domains = stack.use(
      await startDomains({
        unlisted: true,
        others: [
          { domain: 'c.test', exchanger: '127.0.0.13' },
          { domain: 'evil.test', exchanger: '127.0.0.14', silent: true },
        ],
      }),
    );
    for (const mailbox of ['bob@b.test', 'carol@c.test', 'carol@evil.test']) {
      const key = gpg.makeKey(`someone <${mailbox}>`);
      await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
    }
    for (const name of names) await domains.alice.domains.check(name);
    gpg.run(['--import'], await domains.alice.keys.export('alice@a.test'));
  });
  afterAll(() => stack.disposeAsync());
  afterEach(() => domains.b.host.dovecot.take('bob'));

  /** Gives the letter and how many packets it took. */
  const send = async (to: string) => {
    const seed = `exit ${++letters}`;
    const common = { from: 'alice@a.test', to: [to], date: new Date(), seed };
    const letter = writeLetter({ ...common, attachmentBytes: 60_000 });
    const outcome = await domains.alice.send(letter.message, { mode: 'mix' });
    if (outcome.kind !== 'sent') throw new Error(outcome.problems[0]?.message);
    return { letter, packets: outcome.submitted };
  };

  const mixes = () => Promise.all(domains.mixes.map((mix) => mix.status()));
  const forwarded = async (outcome: string): Promise<number> =>
    (await mixes()).reduce((sum, { counters }) => sum + (counters.forwarded[outcome] ?? 0), 0);
  const waiting = async (): Promise<number> =>
    (await mixes()).reduce((sum, { counts }) => sum + counts.relays, 0);

  const arrives = async (): Promise<void> => {
    const { letter } = await send('bob@b.test');
    const { host } = domains.b;
    await until(async () => (await host.dovecot.mail('bob')).length > 0);
    const [mail = Buffer.alloc(0)] = await fetchInbox(host.account('bob'));
    const { stdout } = gpg.run(['--decrypt'], mail);
    const firstLine = Buffer.from(letter.attachment.bytes).toString('base64').slice(0, 60);
    expect(stdout.includes(firstLine)).toBe(true);
    await host.dovecot.take('bob');
  };

  test('a message comes by the domain’s own mail server to its gateway and into the mailbox', async () => {
    const { b } = domains;
    await arrives();
    expect((await mixes()).map(({ dns }) => dns)).toEqual(['proven', 'proven', 'proven']);
    const { consensus, counters } = await b.gateway.node.status();
    expect(consensus?.listed).toBe(false);
    const servers = await b.host.postfix.log();
    const passed = servers.match(/to=<secure@b\.test>.* status=sent/g) ?? [];
    expect(passed).toHaveLength(counters.received.accepted ?? 0);
    expect(servers).toMatch(/from=<>, size=/);
  });

  test('a name server that never answers makes nothing else wait', async () => {
    const { packets } = await send('carol@evil.test');
    await until(async () => (await forwarded('asking')) > 0 && (await waiting()) === packets);
    await arrives();
    expect(await waiting()).toBe(packets);
  });

  test('a domain that takes part no more gets nothing, and nobody connects to its mail server', async () => {
    await domains.withdraw('c.test');
    const { packets } = await send('carol@c.test');
    await until(async () => (await forwarded('no-part')) === packets);
    expect(connections).toBe(0);
  });
});
