import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultGeometry } from '@postern/protocol/packet';
import { createMetrics, silentLog } from '@postern/runtime';
import { expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import type { NodeError } from '../src/errors.ts';
import { createLifetime } from '../src/lifetime.ts';
import { peel } from '../src/peel/peel.ts';
import { queue } from '../src/queue/queue.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { chain, type Stage } from '../src/stage.ts';
import { unit } from './spool-contract.ts';
import { fakeClock, seeded, until } from './support.ts';

test('a node whose worker threads die of its keys breaks down, closes, and keeps what it has taken', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-workers-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true }));
  const [clock, random] = [fakeClock(Date.UTC(2033, 1, 2)), seeded('workers')];
  const path = join(folder, 'spool.sqlite');
  const spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  const lifetime = createLifetime(clock, 10_000);
  const short = { epoch: 1, seed: random.bytes(1) };
  const setup = { geometry: defaultGeometry, nodeId: random.bytes(32), epochSeconds: 3_600, keys: [short] };
  const keys = { current: () => setup, onChange: () => undefined };
  const counters = createCounters(createMetrics());
  const context = { clock, random, log: silentLog, spool, counters, lifetime };
  const nothing: Stage<unknown> = { take: async () => undefined, close: async () => undefined };
  const line = chain(
    queue(context, { kind: 'packet', lanes: 2, batch: 16 }),
    peel({ ...context, peelWorkers: 2, expiryMs: 86_400_000, keys }),
    nothing,
  );
  await line.take(unit());

  let broken: NodeError | undefined;
  const breaking = lifetime.broken.then((error) => {
    broken = error;
  });
  await until(async () => {
    await clock.advance(1_000);
    return broken !== undefined;
  });
  await breaking;
  expect(broken).toMatchObject({
    code: 'worker-died',
    message: expect.stringContaining('10 times in a row'),
  });
  await line.close();
  expect(await spool.counts()).toMatchObject({ inputs: 1 });
});
