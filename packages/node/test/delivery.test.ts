import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fragment } from '@postern/protocol/envelope';
import { defaultGeometry } from '@postern/protocol/packet';
import { encodeReturnInfo } from '@postern/protocol/report';
import { counterStep, createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import { deliver, type Put } from '../src/deliver/deliver.ts';
import { maildirs } from '../src/deliver/maildir.ts';
import { createLifetime } from '../src/lifetime.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { createReturnFields, findField, openField } from '../src/report/field.ts';
import type { Failure } from '../src/report/report.ts';
import type { Complete, Spool } from '../src/spool.ts';
import type { Stage } from '../src/stage.ts';
import { fragment, unit } from './spool-contract.ts';
import { fakeClock, seeded, until } from './support.ts';

/** What a complete set becomes: one message behind the gateway's own fields, or a report to its author. */
const random = seeded('delivery');
const clock = fakeClock(Date.UTC(2033, 0, 1));
const trace = 'Return-Path: <>\r\nDelivered-To: bob@b.test\r\n';
const attestation = 'Authentication-Results: b.test; dkim=pass header.d=a.test\r\n';
const secretKey = random.bytes(40);

const stack = new AsyncDisposableStack();
let folder: string;
let spool: Spool;
let stage: Stage<readonly Complete[]>;
// A series grows as soon as one can.
const metrics = createMetrics({ bytes: (length) => new Uint8Array(length) });
const counters = createCounters(metrics);
/** What the mail system answers instead of taking a message. */
let instead: Put | undefined;
/** Status codes of what authors were told. */
let failures: string[];

beforeAll(async () => {
  folder = await storesFolder('delivery');
  stack.defer(() => rm(folder, { recursive: true }));
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  const to = { kind: 'maildir', path: join(folder, '{local}'), mailboxes: ['bob'] } as const;
  const mailSystem = maildirs(to);
  stage = deliver({
    clock,
    random,
    log: silentLog,
    spool,
    counters,
    lifetime: createLifetime(clock, 10_000),
    domain: 'b.test',
    findMailbox: () => 'bob',
    mailSystem: { ...mailSystem, put: async (message) => instead ?? mailSystem.put(message) },
    returnField: createReturnFields({
      clock,
      random,
      geometry: defaultGeometry,
      keys: { current: () => [secretKey] },
    }),
    reports: {
      ask({ failure, done }: { failure: Failure; done(reported: { kind: 'none' }): Promise<void> }) {
        failures.push(failure.status);
        void done({ kind: 'none' });
      },
    },
  });
  stack.defer(() => stage.close());
});
afterAll(() => stack.disposeAsync());
beforeEach(async () => {
  failures = [];
  await rm(join(folder, 'bob'), { recursive: true, force: true });
});

const returnInfo = encodeReturnInfo(defaultGeometry, {
  kind: 'domain',
  domain: 'a.test',
  token: random.bytes(16),
  key: random.bytes(32),
  expires: Math.floor(clock.now() / 3_600_000 + 37 * 24) * 3_600,
});

/** A set of such fragments, of which each has a part of the bytes. */
async function take(sealed: Buffer, parts: readonly Partial<Fragment>[] = [{ returnInfo }]): Promise<void> {
  const setId = random.bytes(16);
  const cut = (at: number): number => Math.ceil((sealed.length * at) / parts.length);
  for (const [index, of] of parts.entries()) {
    await spool.accept(unit('exit'));
    const [input] = await spool.claimInputs('exit', 1);
    const settled = await spool.settle(input?.id ?? '', {
      kind: 'fragment',
      fragment: fragment({
        setId,
        index,
        k: parts.length,
        n: parts.length,
        totalBytes: sealed.length,
        expires: clock.now() / 1_000 + 86_400,
        data: sealed.subarray(cut(index), cut(index + 1)),
        ...of,
      }),
    });
    if (settled.kind === 'complete') await stage.take([settled.complete]);
  }
  await until(async () => (await spool.counts()).deliveries === 0);
}

async function delivered(): Promise<string[]> {
  const names = await readdir(join(folder, 'bob', 'new')).catch(() => []);
  return Promise.all(names.map((name) => readFile(join(folder, 'bob', 'new', name), 'latin1')));
}

const forged = 'Authentication-Results: b.test; dkim=pass header.d=bank.test\r\n';
const body = `\r\n${forged}\nbare\rends \0 and ${'long'.repeat(300)} lines`;

test.each([
  ['as it is', `Subject: x\r\n\ty\r\n${body}`, `Subject: x\r\n\ty\r\n${body}`],
  ['without a body', 'Subject: x\r\n', 'Subject: x\r\n'],
  ['with nothing in its body', 'Subject: x\r\n\r\n', 'Subject: x\r\n\r\n'],
  ['with the longest line', `A: ${'x'.repeat(995)}\r\n\r\n`, `A: ${'x'.repeat(995)}\r\n\r\n`],
  [
    'without the gateway’s fields that its author wrote',
    `${forged}A: 1\r\nRETURN-PATH:<x@y>\r\nPostern-Return: AA\r\n  BB\r\nDelivered-To: x\r\nB: 2\r\n${forged}${body}`,
    `A: 1\r\nB: 2\r\n${body}`,
  ],
  ['of nothing but such fields', `${forged}${forged}\r\nbody`, '\r\nbody'],
  ['of such fields without a body', forged, ''],
])('a message is delivered %s', async (_what, sealed, expected) => {
  await take(Buffer.from(sealed, 'latin1'));
  expect(await delivered()).toEqual([`${trace}${expected}`]);
  expect(failures).toEqual([]);
});

test('a message that waits for the mail system moves nothing exported, however often it is tried', async () => {
  instead = { kind: 'deferred', why: 'full' };
  const taking = take(Buffer.from('Subject: x\r\n'));
  await until(async () => {
    await clock.advance(60_000);
    return ((await counters.values()).delivered.deferred ?? 0) >= counterStep / 2;
  });
  const exported = await metrics.text();
  instead = undefined;
  await clock.advance(900_000);
  await taking;
  expect(await delivered()).toHaveLength(1);
  expect(exported).toMatch(/^postern_node_delivered_total{outcome="deferred"} 0$/m);
});

test.each([
  ['a space', ` dkim=pass header.d=bank.test\r\nSubject: x\r\n${body}`],
  ['a tab', `\tx\r\nSubject: x\r\n${body}`],
  ['an empty line', `${body}`],
  ['what is no field', `From bank Sat Jan  1\r\n${forged}${body}`],
  ['a colon', `: x\r\n${forged}${body}`],
  ['a NUL', `\0Subject: x\r\n${forged}${body}`],
  ['a bare LF', `\n${forged}${body}`],
  ['a bare CR', `\r${forged}${body}`],
])('one that begins with %s is not', async (_what, sealed) => {
  await take(Buffer.from(sealed, 'latin1'), [{ returnInfo, attestation: Buffer.from('a.test') }]);
  expect(await delivered()).toEqual([]);
  expect(failures).toEqual(['5.6.0']);
});

test.each([
  ['no empty line behind its header', `Subject: x\r\n${forged}body`],
  ['no end of its last line', `Subject: x\r\n${forged.trimEnd()}`],
  ['a bare LF in its header', `Subject: x\n${forged}${body}`],
  ['a bare LF at the end of its header', `Subject: x\n\n${forged}${body}`],
  ['a bare LF for the empty line', `Subject: x\r\n\n${forged}${body}`],
  ['LF for all line ends', `Subject: x\r\n${forged}${body}`.replaceAll('\r\n', '\n')],
  ['a bare CR in its header', `Subject: x\r${forged}${body}`],
  ['a bare CR in front of a line end', `Subject: x\r\r\n${forged}${body}`],
  ['a NUL in its header', `Subject: x\0\r\n${forged}${body}`],
  ['a NUL in a field’s name', `Subject: x\r\nAuthentication\0-Results: y\r\n${body}`],
  ['a space in front of a colon', `Subject: x\r\n${forged.replace(':', ' :')}${body}`],
  ['a folded line of blanks', `Subject: x\r\n \t\r\n${forged}${body}`],
  ['too long a line in its header', `A: ${'x'.repeat(996)}\r\n${body}`],
  ['too long a header', `${`A: ${'x'.repeat(500)}\r\n`.repeat(1_100)}${body}`],
  ['too many fields', `${'A: x\r\n'.repeat(5_000)}${body}`],
])('nor one with %s', async (_what, sealed) => {
  await take(Buffer.from(sealed, 'latin1'));
  expect(await delivered()).toEqual([]);
  expect(failures).toEqual(['5.6.0']);
});

test('the gateway says who answers for it, and how to complain, when one domain does for all of it', async () => {
  const sealed = Buffer.from(`Subject: x\r\n${forged}${body}`, 'latin1');
  const attested = { attestation: Buffer.from('a.test') };
  await take(sealed, [attested, { ...attested, returnInfo }, attested]);
  const [text = ''] = await delivered();
  const value = findField(Buffer.from(text, 'latin1')) ?? '';
  expect(openField([secretKey], value)).toMatchObject({ domain: 'a.test' });
  const folded = value.replaceAll(/.{60}(?=.)/g, '$&\r\n ');
  expect(text).toBe(`${trace}${attestation}Postern-Return: ${folded}\r\nSubject: x\r\n${body}`);
});

test.each([
  ['no domain does', [{ returnInfo }]],
  ['one does for a part of it', [{ returnInfo, attestation: Buffer.from('a.test') }, { returnInfo }]],
  [
    'two do for a part each',
    [
      { returnInfo, attestation: Buffer.from('a.test') },
      { returnInfo, attestation: Buffer.from('c.test') },
    ],
  ],
])('it says neither when %s', async (_what, parts) => {
  await take(Buffer.from(`Subject: x\r\n${body}`, 'latin1'), parts);
  expect(await delivered()).toEqual([`${trace}Subject: x\r\n${body}`]);
});

test('nor how to complain when another domain answers for it than is asked to be told', async () => {
  await take(Buffer.from('Subject: x\r\n\r\n'), [{ returnInfo, attestation: Buffer.from('c.test') }]);
  const attestedByOther = attestation.replace('a.test', 'c.test');
  expect(await delivered()).toEqual([`${trace}${attestedByOther}Subject: x\r\n\r\n`]);
});
