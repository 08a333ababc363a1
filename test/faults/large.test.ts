import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientOf, readMaildir, SeededRandom, startTestnet, type Testnet, until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { machine } from '../machine.ts';

let dir = '';
let net: Testnet;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pn-large-'));
  net = await startTestnet({ dir: join(dir, 'net'), mixes: 3, meanDelay: '100ms' });
});
afterAll(async () => {
  await net[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** A message of exactly so many bytes. */
function messageOf(length: number): Buffer {
  const header = Buffer.from(
    [
      'From: <alice@a.test>',
      'To: <bob@b.test>',
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      'Message-ID: <large@a.test>',
      'Subject: everything at once',
      '',
      '',
    ].join('\r\n'),
  );
  const noise = Buffer.from(new SeededRandom('large').bytes(length)).toString('base64');
  const lines = noise.match(/.{1,76}/g) ?? [];
  const body = Buffer.from(lines.join('\r\n')).subarray(0, length - header.length - 4);
  // The cut may have left half a line end.
  const whole = Buffer.from(body.toString('latin1').replace(/\r$/, 'x'));
  return Buffer.concat([header, whole, Buffer.from('xx\r\n')]);
}

test('a message of 25,000,000 bytes arrives as it was sent', async () => {
  const message = messageOf(25_000_000);
  expect(message).toHaveLength(25_000_000);
  const [alice, bob] = [net.person('alice@a.test'), net.person('bob@b.test')];
  await using author = clientOf(alice);
  await using reader = clientOf(bob);
  const began = performance.now();
  const sent = await author.send(message, { timeoutMs: 900_000, sentCopy: false });
  if (sent.kind !== 'sent') throw new Error(JSON.stringify(sent.problems));
  expect(sent.pending).toBe(0);
  const handedOver = performance.now();
  const arrived = await until(async () => (await readMaildir(bob.maildir))[0], {
    what: 'it is delivered',
    deadlineMs: 900_000,
  });
  const delivered = performance.now();
  const opened = await reader.open(arrived.bytes);
  expect(opened.kind === 'opened' && opened.vouched && message.equals(opened.message)).toBe(true);
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  console.info(
    `25,000,000 bytes in ${sent.recipients[0]?.packets} packets: handed over after ${seconds(handedOver - began)}, delivered after ${seconds(delivered - began)}; ${machine()}`,
  );
});
