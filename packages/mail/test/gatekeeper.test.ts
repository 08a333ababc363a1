import { startSmtpServer } from '@postern/mail';
import { expect, test } from 'vitest';
import { conversation, overTls } from './conversation.ts';
import { identity } from './inbox.ts';
import { openDesk, right, wrong } from './submission.ts';

test('failures at one of two servers with one gatekeeper count at the other', async () => {
  await using desk = await openDesk({ limits: { maxFailuresPerLogin: 3 } });
  await using other = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'mx.test',
    tls: identity,
    minTls: 'TLSv1.2',
    maxBytes: 100_000,
    auth: desk.gatekeeper,
    accepts: () => true,
    onMessage: async () => ({ kind: 'accepted' }),
  });
  const guess = (port: number, login: string, code: string): Promise<void> =>
    conversation(port, `${overTls}\n C: AUTH PLAIN ${login}\n S: ${code}`);
  await guess(desk.port, wrong, '535');
  await guess(other.address.port, wrong, '535');
  await guess(desk.port, wrong, '535');
  await guess(other.address.port, right, '454 4.7.0');
  await guess(desk.port, right, '454 4.7.0');
  expect(desk.logins).toHaveLength(3);
  expect(desk.outcomes).toEqual(['refused', 'refused', 'refused', 'slowed-down', 'slowed-down']);
});
