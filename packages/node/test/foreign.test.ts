import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createMetrics } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import { messageFrom } from '../src/deliver/message.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { createTakeForeign, type TakeForeign } from '../src/report/foreign.ts';
import { createLetters } from '../src/report/letter.ts';
import type { Spool } from '../src/spool.ts';
import { fragment, relayVerdict } from './spool-contract.ts';
import { fakeClock, seeded } from './support.ts';

/** What other mail servers report to a gateway, true or forged. */
let clock = fakeClock(0);
const random = seeded('foreign');
const id = (): string => Buffer.from(random.bytes(16)).toString('hex');

let stack: AsyncDisposableStack;
let spool: Spool;
let counters: Counters;
let take: TakeForeign;
let carriage = '';

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  clock = fakeClock(Date.UTC(2033, 0, 1));
  const folder = await storesFolder('foreign');
  stack.defer(() => rm(folder, { recursive: true }));
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  counters = createCounters(createMetrics());
  const composeLetter = createLetters({ clock, random, domain: 'a.test' });
  take = createTakeForeign({ spool, counters, composeLetter });
  const next = { kind: 'domain', domain: 'b.test', own: true } as const;
  const times = { dueMs: clock.now(), expiresMs: clock.now() + 86_400_000 };
  const { relay } = relayVerdict({ next, ...times });
  const tokenExpiresMs = clock.now() + 14 * 86_400_000;
  await spool.submit({ relay, token: id(), author: 'alice@a.test', tokenExpiresMs });
  carriage = (await spool.relays.claim(1))[0]?.id ?? '';
});
afterEach(() => stack.disposeAsync());

const dsn = (of: string, action = 'failed'): Buffer =>
  Buffer.from(
    [
      'From: <MAILER-DAEMON@mx.b.test>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary="x"',
      '',
      '--x',
      'Content-Type: text/plain',
      '',
      'it failed',
      '--x',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.b.test',
      `Original-Envelope-Id: ${of}`,
      '',
      'Final-Recipient: rfc822; secure@b.test',
      `Action: ${action}`,
      'Status: 5.7.1',
      '',
      '--x--',
      '',
    ].join('\r\n'),
  );
const deliveries = async (): Promise<number> => (await spool.counts()).deliveries;

describe('B1 reports from anybody', () => {
  test('of 1,000 forged and 1,000 replayed reports none reaches an author, of one true report one does', async () => {
    for (let at = 0; at < 1_000; at++) expect(await take(dsn(id()))).toBe(true);
    expect(await deliveries()).toBe(0);
    expect(await take(dsn(carriage))).toBe(true);
    expect(await deliveries()).toBe(1);
    for (let at = 0; at < 1_000; at++) await take(dsn(carriage));
    expect(await deliveries()).toBe(1);
    expect((await counters.values()).returned).toMatchObject({ told: 1, 'unknown-token': 2_000 });
  });

  test('a true report that comes after its token’s time reaches nobody', async () => {
    await clock.advance(15 * 86_400_000);
    await spool.sweep();
    for (let at = 0; at < 1_000; at++) expect(await take(dsn(carriage))).toBe(true);
    expect(await deliveries()).toBe(0);
    expect((await counters.values()).returned).toMatchObject({ 'unknown-token': 1_000 });
  });
});

test('B6 a delay is told once, and the failure after it', async () => {
  await take(dsn(carriage, 'delayed'));
  await take(dsn(carriage, 'delayed'));
  expect(await deliveries()).toBe(1);
  await take(dsn(carriage));
  expect(await deliveries()).toBe(2);
});

test('that it was delivered or passed on is no failure', async () => {
  for (const action of ['delivered', 'relayed', 'expanded'])
    expect(await take(dsn(carriage, action))).toBe(true);
  expect(await deliveries()).toBe(0);
});

describe('B7 automatic answers', () => {
  test('to the gateway’s own mailbox are not taken, and nobody answers them', async () => {
    expect(await take(Buffer.from('Subject: vacation\r\n\r\nI am away\r\n'))).toBe(false);
    expect(await deliveries()).toBe(0);
  });

  test('are not asked for: a report says that it is one', async () => {
    await take(dsn(carriage));
    const [letter] = await spool.sets.claim(1);
    const [report] = (await spool.sets.read(letter?.id ?? '')) ?? [];
    expect(Buffer.from(report?.data ?? []).toString('latin1')).toContain(
      '\r\nAuto-Submitted: auto-replied\r\n',
    );
  });

  test('have nobody to go to: a message is delivered from nobody', () => {
    const data = Buffer.from('Return-Path: <alice@a.test>\r\nSubject: x\r\n\r\nbody\r\n');
    const message = messageFrom([fragment({ data, totalBytes: data.length })], {
      domain: 'b.test',
      findMailbox: () => 'bob',
      returnField: () => '',
    });
    const text = Buffer.from(message.kind === 'message' ? message.bytes : []).toString('latin1');
    expect(text).toBe('Return-Path: <>\r\nDelivered-To: bob@b.test\r\nSubject: x\r\n\r\nbody\r\n');
  });
});
