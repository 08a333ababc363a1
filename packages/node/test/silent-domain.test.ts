import { createSocket, type Socket } from 'node:dgram';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fragment } from '@postern/protocol/envelope';
import { defaultGeometry } from '@postern/protocol/packet';
import { encodeReturnInfo } from '@postern/protocol/report';
import { createMetrics, silentLog } from '@postern/runtime';
import { createStubResolver } from '@postern/runtime/dns';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import { deliver } from '../src/deliver/deliver.ts';
import { maildirs } from '../src/deliver/maildir.ts';
import { createLifetime } from '../src/lifetime.ts';
import { mailboxFinder } from '../src/mailboxes.ts';
import { createNames, type Names } from '../src/names.ts';
import { policiesInMemory } from '../src/policy-store.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { type Asked, createReportQueue, type ReportQueue } from '../src/report/queue.ts';
import { createReporter, type Reported, type Reporter } from '../src/report/report.ts';
import { claimLeaseMs, type Spool } from '../src/spool.ts';
import { sweep } from '../src/sweep.ts';
import { fragment, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

/** Authors who ask for reports to domains whose name servers never answer. */
const clockStart = Date.UTC(2033, 0, 1);
const hourMs = 3_600_000;
const random = seeded('silent');

let stack: AsyncDisposableStack;
let clock: FakeClock;
beforeEach(() => {
  stack = new AsyncDisposableStack();
  clock = fakeClock(clockStart);
});
afterEach(() => stack.disposeAsync());

/** A failed message of an author of that domain. */
function failing(domain: string, of: Partial<Fragment> = {}): Fragment {
  const info = {
    kind: 'domain',
    domain,
    token: random.bytes(16),
    key: random.bytes(32),
    expires: 0,
  } as const;
  return fragment({
    recipient: 'nobody@b.test',
    expires: clock.now() / 1_000 + 86_400,
    returnInfo: encodeReturnInfo(defaultGeometry, info),
    attestation: Buffer.from(domain),
    ...of,
  });
}

describe('a name server that never answers', () => {
  let folder: string;
  let spool: Spool;
  let counters: Counters;
  let server: Socket;
  let asked: number;
  let reports: ReportQueue;
  let names: Names;

  beforeEach(async () => {
    folder = await storesFolder('silent');
    stack.defer(() => rm(folder, { recursive: true }));
    spool = stack.use(
      await openSqliteSpool({ unitBytes: 32_768, path: join(folder, 'spool.sqlite'), clock, random }),
    );
    counters = createCounters(createMetrics());
    asked = 0;
    server = createSocket('udp4').on('message', () => {
      asked += 1;
    });
    await new Promise<void>((resolve) => {
      server.bind(0, '127.0.0.1', resolve);
    });
    stack.defer(() => void server.close());
    const resolver = createStubResolver({ server: { host: '127.0.0.1', port: server.address().port } });
    names = createNames({
      clock,
      random,
      resolver,
      ownNames: [],
      policies: policiesInMemory(),
      allowPrivate: false,
    });
    const report = createReporter({
      clock,
      random,
      geometry: defaultGeometry,
      epochSeconds: 3_600,
      expiryMs: 24 * hourMs,
      findDomain: names.findDomain,
    });
    reports = createReportQueue({ clock, random, log: silentLog, report });
  });

  const add = async (one: Fragment): Promise<void> => {
    await spool.accept(unit('exit'));
    const [input] = await spool.claimInputs('exit', 1);
    const settled = await spool.settle(input?.id ?? '', { kind: 'fragment', fragment: one });
    if (settled.kind === 'complete') await spool.sets.release([settled.complete.id]);
  };

  test('does not keep others’ mail from being delivered', async () => {
    for (let n = 0; n < 40; n += 1) await add(failing(n < 20 ? 'evil.test' : `evil${n}.test`));
    await until(async () => (await spool.counts()).deliveries === 40);
    const to = { kind: 'maildir', path: join(folder, '{local}'), mailboxes: ['bob'] } as const;
    const lifetime = createLifetime(clock, 10_000);
    const stage = deliver({
      clock,
      random,
      log: silentLog,
      spool,
      counters,
      lifetime,
      domain: 'b.test',
      findMailbox: mailboxFinder({
        domain: 'b.test',
        to,
        senders: { accept: undefined, deny: [], limits: { carriagesPerHour: 1, bytesPerHour: 1 } },
      }),
      mailSystem: maildirs(to),
      reports,
      returnField: () => '',
    });
    await until(() => asked > 2);
    for (let n = 0; n < 5; n += 1) await add(fragment({ expires: clock.now() / 1_000 + 86_400 }));
    await until(async () => ((await counters.values()).delivered.delivered ?? 0) === 5);
    expect(await readdir(join(folder, 'bob', 'new'))).toHaveLength(5);
    expect(await spool.counts()).toMatchObject({ deliveries: 40 });
    await stage.close();
    await reports.close();
    expect(await spool.counts()).toMatchObject({ deliveries: 40 });
  });

  test('is asked no longer than somebody waits for it', async () => {
    const end = new AbortController();
    const found = names.findDomain('evil.test', end.signal);
    await until(() => asked > 0);
    end.abort(new Error('nobody waits'));
    await expect(found).rejects.toThrow('nobody waits');
  });

  test('does not keep the spool from being swept', async () => {
    for (let n = 0; n < 40; n += 1) await add(failing(`evil${n}.test`, { k: 2, n: 3 }));
    await add(fragment({ expires: clock.now() / 1_000 + 86_400, k: 2, n: 3 }));
    await clock.advance(26 * hourMs);
    const loop = sweep({ clock, log: silentLog, spool, counters, reports });
    await until(() => asked > 2);
    await until(async () => ((await counters.values()).delivered.incomplete ?? 0) === 1);
    expect(await spool.counts()).toMatchObject({ fragments: 40 });
    await loop.stop();
    await reports.close();
  });
});

describe('reports that are being made', () => {
  const none = { kind: 'none' } as const;

  /** A queue over a reporter that waits to be told what it found. */
  function setUp() {
    const under: { domain: string; found: (reported: Reported) => void; signal: AbortSignal }[] = [];
    const report: Reporter = ({ attestation }, _failure, signal) =>
      new Promise((found) => under.push({ domain: String(Buffer.from(attestation)), found, signal }));
    const queue = createReportQueue({ clock, random, log: silentLog, report });
    const results: [string, string][] = [];
    const ask = (domain: string): void => {
      const done: Asked['done'] = async ({ kind }) => void results.push([domain, kind]);
      queue.ask({ fragment: failing(domain), failure: { status: '5.1.1' }, done });
    };
    stack.defer(() => queue.close());
    return { queue, under, results, ask };
  }

  test('are a bounded number; what is too much is given back at random', async () => {
    const { under, results, ask } = setUp();
    for (let n = 0; n < 1_000; n += 1) ask(`d${n}.test`);
    await until(() => results.length === 1_000 - under.length - 128);
    expect(under).toHaveLength(16);
    expect(new Set(results.map(([, kind]) => kind))).toEqual(new Set(['later']));
    // Not simply whoever comes last.
    expect(results.slice(-100).some(([domain]) => Number(domain.slice(1, -5)) < 900)).toBe(true);
  });

  test('are one of a domain at a time, and others go by', async () => {
    const { under, results, ask } = setUp();
    for (let n = 0; n < 20; n += 1) ask('slow.test');
    ask('good.test');
    expect(under.map(({ domain }) => domain)).toEqual(['slow.test', 'good.test']);
    under[1]?.found(none);
    await until(() => results.length === 1);
    expect(results).toEqual([['good.test', 'none']]);
    under[0]?.found(none);
    await until(() => under.length === 3);
  });

  test('of a domain that takes its time to answer all end before the claim on them does', async () => {
    const { under, results, ask } = setUp();
    for (let n = 0; n < 100; n += 1) ask('slow.test');
    const began = clock.now();
    await until(() => results.length > 0);
    const waiting = 100 - results.length;
    expect(waiting).toBeGreaterThan(20);
    expect(new Set(results.map(([, kind]) => kind))).toEqual(new Set(['later']));
    for (let n = 0; n < waiting; n += 1) {
      await until(() => under.length === n + 1);
      await clock.advance(11_999);
      under[n]?.found(none);
    }
    await until(() => results.length === 100);
    expect(clock.now() - began).toBeLessThan(claimLeaseMs);
  });

  test('take no longer than their time; who did not answer is left alone for a while', async () => {
    const { under, results, ask } = setUp();
    ask('slow.test');
    ask('slow.test');
    await clock.advance(12_000);
    await until(() => results.length === 2);
    ask('slow.test');
    await until(() => results.length === 3);
    expect(results).toEqual(Array.from({ length: 3 }, () => ['slow.test', 'later']));
    expect(under.map(({ signal }) => signal.aborted)).toEqual([true]); // nobody goes on asking for it
    await clock.advance(30_000);
    ask('slow.test');
    await until(() => under.length === 2);
    under[1]?.found(none);
    await until(() => results.length === 4);
    expect(results.at(-1)).toEqual(['slow.test', 'none']);
  });

  test('are given back at the end, and none begins any more', async () => {
    const { queue, under, results, ask } = setUp();
    for (let n = 0; n < 20; n += 1) ask(`d${n}.test`);
    await queue.close();
    ask('after.test');
    await until(() => results.length === 21);
    expect(new Set(results.map(([, kind]) => kind))).toEqual(new Set(['later']));
    expect(under).toHaveLength(16);
  });
});
