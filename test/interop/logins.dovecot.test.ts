import { type Authors, openAuthors } from '@postern/node';
import { silentLog, systemRandom } from '@postern/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveMailHost, type MailHost, startMailHost } from './mailhost.ts';

describe.skipIf(!haveMailHost)('logins by Debian’s Dovecot', () => {
  let mailHost: MailHost;

  beforeAll(async () => {
    const mailboxes = [{ name: 'bob', password: 'x' }];
    mailHost = await startMailHost({ domain: 'b.test', address: '127.0.0.14', mailboxes });
  });
  afterAll(() => mailHost[Symbol.asyncDispose]());

  const open = (spki?: string): Promise<Authors> => {
    const { host, port } = mailHost.account('bob').server;
    const tls = { kind: 'pin' as const, pins: [spki ?? mailHost.pin] };
    return openAuthors(
      { kind: 'imap', server: { host, port, tls }, login: 'mailbox' },
      { domain: 'b.test', ehloName: 'gate.b.test', log: silentLog, random: systemRandom },
    );
  };

  test('the right password is an author’s, by mailbox or local part; another is refused', async () => {
    const authors = await open();
    for (const user of ['bob', 'Bob@b.test'])
      expect(await authors.judge({ user, password: 'x' })).toEqual({ kind: 'author', mailbox: 'bob@b.test' });
    expect(await authors.judge({ user: 'bob', password: 'y' })).toEqual({ kind: 'refused' });
    expect(await authors.judge({ user: 'nobody', password: 'x' })).toEqual({ kind: 'refused' });
  });

  test('more at once than there are connections for', async () => {
    const authors = await open();
    const judged = await Promise.all(
      Array.from({ length: 20 }, () => authors.judge({ user: 'bob', password: 'x' })),
    );
    expect(judged.map(({ kind }) => kind)).toEqual(Array<string>(20).fill('author'));
  });

  test('a server with another key is not asked', async () => {
    const authors = await open('ab'.repeat(32));
    expect(await authors.judge({ user: 'bob', password: 'x' })).toEqual({ kind: 'unavailable' });
  });
});
