import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLmtpSender } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { openPeer } from './peer.ts';

const bob = {
  from: 'secure@a.test',
  to: 'bob@b.test',
  message: Buffer.from('Subject: x\r\n\r\n.\r\nhello\r\n'),
};

const session = (answer: string): string => `
  S: 220 b.test LMTP
  C: LHLO gateway.test
  S: 250-b.test\\r\\n250-PIPELINING\\r\\n250 8BITMIME
  C: MAIL FROM:<secure@a.test>
  C: RCPT TO:<bob@b.test>
  C: DATA
  S: 250 2.1.0 ok
  S: 250 2.1.5 ok
  S: 354 go on
  DATA
  S: ${answer}
`;

describe('Q7 LMTP answers for the recipient behind the data', () => {
  test.each([
    ['250 2.0.0 <bob@b.test> delivered', { kind: 'sent' }],
    ['550 5.1.1 <bob@b.test> user does not exist', { kind: 'refused', code: 550, enhanced: '5.1.1' }],
    ['552 5.2.2 quota', { kind: 'refused', code: 552, enhanced: '5.2.2' }],
    ['452 4.2.2 quota', { kind: 'deferred', reason: 'busy', maybeDelivered: false }],
    ['421 4.3.2 down', { kind: 'deferred', reason: 'busy', maybeDelivered: false }],
  ])('%s', async (answer, result) => {
    await using peer = await openPeer([session(answer)]);
    await using sender = createLmtpSender({
      target: { host: '127.0.0.1', port: peer.port },
      lhloName: 'gateway.test',
    });
    expect(await sender.deliver(bob)).toEqual(result);
    expect(peer.heard[0]?.at(-1)).toBe('Subject: x\r\n\r\n..\r\nhello\r\n.\r\n');
  });
});

test('a recipient that is refused before the data', async () => {
  const script = session('').replace(
    'S: 250 2.1.5 ok\n  S: 354 go on\n  DATA\n  S: ',
    'S: 550 5.1.1 no such user\n S: 503 5.5.1 no recipients',
  );
  await using peer = await openPeer([script]);
  await using sender = createLmtpSender({
    target: { host: '127.0.0.1', port: peer.port },
    lhloName: 'gateway.test',
  });
  expect(await sender.deliver(bob)).toEqual({ kind: 'refused', code: 550, enhanced: '5.1.1' });
});

test('over a socket in the file system', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-lmtp-'));
  try {
    const path = join(folder, 'lmtp');
    await using peer = await openPeer([session('250 ok')], { listen: { path } });
    await using sender = createLmtpSender({ target: { path }, lhloName: 'gateway.test' });
    expect(await sender.deliver(bob)).toEqual({ kind: 'sent' });
    expect(await peer.outcomes()).toEqual([undefined]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('nobody there', async () => {
  await using sender = createLmtpSender({ target: { path: '/nonexistent/lmtp' }, lhloName: 'gateway.test' });
  expect(await sender.deliver(bob)).toEqual({
    kind: 'deferred',
    reason: 'unreachable',
    maybeDelivered: false,
  });
});

test('lost behind the final dot: maybe delivered', async () => {
  await using peer = await openPeer([session('').replace('S: \n', 'CUT\n')]);
  await using sender = createLmtpSender({
    target: { host: '127.0.0.1', port: peer.port },
    lhloName: 'gateway.test',
  });
  expect(await sender.deliver(bob)).toEqual({ kind: 'deferred', reason: 'lost', maybeDelivered: true });
});
