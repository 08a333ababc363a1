import type { SendMode } from '@postern/client';
import { writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, ours } from '../../e2e/command.ts';
import { until } from '../debian.ts';
import { haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { type Domain, type Domains, haveDomains, startDomains } from './domains.ts';

/** As an operator does it with a message from a mailbox, by way of both domains' mail servers. */
describe.skipIf(!haveDomains || !haveGnuPg)('a complaint goes from domain to domain', () => {
  const stack = new AsyncDisposableStack();
  let domains: Domains;

  beforeAll(async () => {
    const gpg = stack.use(startGnuPg());
    domains = stack.use(await startDomains());
    const key = gpg.makeKey('bob <bob@b.test>');
    await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
    await domains.alice.prefetch({ withinMs: 0 });
  });
  afterAll(() => stack.disposeAsync());

  const receive = async (mode: SendMode): Promise<Buffer> => {
    const head = { from: 'alice@a.test', to: ['bob@b.test'], date: new Date() };
    const { message } = writeLetter({ ...head, attachmentBytes: 60_000, seed: mode });
    expect(await domains.alice.send(message, { mode })).toMatchObject({ kind: 'sent', pending: 0 });
    const { host } = domains.b;
    await until(async () => (await host.dovecot.mail('bob')).length > 0);
    const [mail = Buffer.alloc(0)] = await fetchInbox(host.account('bob'));
    await host.dovecot.take('bob');
    return mail;
  };
  const command = ({ gateway }: Domain, args: readonly string[], input: Uint8Array): Promise<Ended> =>
    ours('postern-node', [...args, '--config', gateway.configPath], { input });
  const complaints = async (): Promise<number> =>
    (await domains.a.gateway.node.status()).counters.unwrapped.complaint ?? 0;

  test('of a message that came direct, which Dovecot delivered: counted once for its author', async () => {
    const mail = await receive('direct');
    const made = await command(domains.b, ['abuse', 'report', '-'], mail);
    expect(made).toMatchObject({ code: 0, stderr: 'A complaint goes to a.test.\n' });
    await until(async () => (await complaints()) === 1);
    await until(() => domains.settled());
    const listed = await command(domains.a, ['author', 'complaints'], Buffer.alloc(0));
    expect(listed.stdout.toString()).toMatch(/^alice@a\.test \d{4}-\d\d-\d\d 1\n$/);
    expect(await domains.a.host.dovecot.mail('alice')).toEqual([]);
  });

  test('of one that came through mixes nobody can be told, and the command says so', async () => {
    const mail = await receive('mix');
    expect(await command(domains.b, ['abuse', 'report', '-'], mail)).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('it came through mixes'),
    });
    expect(await complaints()).toBe(1);
  });
});
