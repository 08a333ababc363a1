import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { until } from './debian.ts';
import { haveMailHost, startMailHost } from './mailhost.ts';
import { haveSwaks, swaks } from './swaks.ts';

describe.skipIf(!haveMailHost || !haveSwaks)('Debian’s Postfix', () => {
  test('asks the resolver that it was given, which is nobody else’s', async () => {
    const resolver = '127.0.11.53';
    const asked: string[] = [];
    const server = createSocket('udp4').on('message', (query, { port, address }) => {
      asked.push(nameIn(query));
      server.send(noSuchName(query), port, address);
    });
    server.bind(53, resolver);
    await once(server, 'listening');
    await using host = await startMailHost({
      domain: 'a.test',
      address: '127.0.0.11',
      resolver,
      mailboxes: [{ name: 'alice', password: 'of alice' }],
    });
    const message = 'Subject: x\r\n\r\n';
    await swaks({ server: host.smtp, from: 'alice@a.test', to: 'bob@nowhere.test', message });
    await until(async () => (await host.dovecot.mail('alice')).length > 0);
    expect(String(await host.dovecot.mail('alice'))).toContain('\nStatus: 5.4.4\n');
    expect(asked).toContain('nowhere.test');
    server.close();
  });
});

/** Behind 12 bytes of header stands the name asked for, each label behind its length (RFC 1035, 4.1). */
function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; query[at]; at += 1 + (query[at] ?? 0))
    labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
  return labels.join('.');
}

/** The query itself as its answer: NXDOMAIN. */
function noSuchName(query: Buffer): Buffer {
  const answer = Buffer.from(query);
  answer.writeUInt16BE(0x8183, 2);
  return answer;
}
