import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateDomainKey } from '@postern/protocol/envelope';
import { defaultGeometry } from '@postern/protocol/packet';
import { encodeReturnInfo } from '@postern/protocol/report';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import { NodeError } from '../src/errors.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { createReportQueue } from '../src/report/queue.ts';
import { createReporter } from '../src/report/report.ts';
import type { Spool } from '../src/spool.ts';
import { sweep } from '../src/sweep.ts';
import { fragment, unit } from './spool-contract.ts';
import { fakeClock, seeded, until } from './support.ts';

const random = seeded('expired sets');

test.each([
  ['complete', 1, 'undelivered'],
  ['incomplete', 2, 'incomplete'],
] as const)('a set that expires %s makes one report to its author’s domain', async (_what, k, outcome) => {
  await using stack = new AsyncDisposableStack();
  const folder = await storesFolder('expired');
  stack.defer(() => rm(folder, { recursive: true }));
  const clock = fakeClock(Date.now());
  const path = join(folder, 'spool.sqlite');
  const spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  const counters = createCounters(createMetrics());
  const { certificate } = await generateDomainKey('a.test');
  const report = createReporter({
    clock,
    random,
    geometry: defaultGeometry,
    epochSeconds: 3_600,
    expiryMs: 86_400_000,
    findDomain: async () => ({ kind: 'record', record: { certificate, tls: 'require' } }),
  });
  const reports = createReportQueue({ clock, random, log: silentLog, report });
  stack.defer(() => reports.close());

  const info = {
    kind: 'domain',
    domain: 'a.test',
    token: random.bytes(16),
    key: random.bytes(32),
    expires: 0,
  } as const;
  const setId = random.bytes(16);
  const common = { setId, k, n: 3, expires: Math.floor(clock.now() / 1_000) + 3_600 };
  const returns = { returnInfo: encodeReturnInfo(defaultGeometry, info), attestation: Buffer.from('a.test') };
  await spool.accept(unit('exit'));
  const [input] = await spool.claimInputs('exit', 1);
  const one = fragment({ ...common, ...returns });
  const settled = await spool.settle(input?.id ?? '', { kind: 'fragment', fragment: one });
  if (settled.kind === 'complete') await spool.sets.release([settled.complete.id]);
  await clock.advance(3 * 3_600_000);

  const loop = sweep({ clock, log: silentLog, spool, counters, reports });
  stack.defer(() => loop.stop());
  await until(async () => (await spool.counts()).relays === 1);
  await clock.advance(3_600_000);
  expect(await spool.relays.claim(10)).toMatchObject([
    { next: { kind: 'domain', domain: 'a.test', own: true } },
  ]);
  await until(async () => ((await counters.values()).delivered[outcome] ?? 0) === 1);
  expect(await spool.counts()).toMatchObject({ fragments: 0, deliveries: 0 });
});

test('when one of those that were claimed fails, the rest is given back, and not what is ended or reported', async () => {
  const clock = fakeClock(Date.now());
  const released: string[] = [];
  const finished: string[] = [];
  let claims = 0;
  const sets = {
    claimExpired: async () =>
      claims++ === 0
        ? ['ended', 'asked', 'fails', 'rest'].map((id) => ({ id, complete: true, expiresMs: 0 }))
        : [],
    returnInfo: async (id: string) => (id === 'asked' ? fragment({}) : undefined),
    finish: async (id: string) => {
      if (id === 'fails') throw new NodeError('spool-io', 'no answer');
      finished.push(id);
    },
    release: async (ids: readonly string[]) => void released.push(...ids),
  };
  const asked: unknown[] = [];
  const counters = createCounters(createMetrics());
  const spool = { sets, sweep: async () => ({ relays: 0 }) } as unknown as Spool;
  const loop = sweep({
    clock,
    log: silentLog,
    spool,
    counters,
    reports: { ask: (one) => void asked.push(one) },
  });
  await until(() => released.length > 0);
  await loop.stop();
  expect({ released, finished, asked: asked.length }).toEqual({
    released: ['fails', 'rest'],
    finished: ['ended'],
    asked: 1,
  });
});
