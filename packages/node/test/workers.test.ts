import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { keyEpochsHeld } from '@postern/protocol/consensus';
import { buildPacket, defaultGeometry, generateMixKey, type Hop } from '@postern/protocol/packet';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import type { NodeError } from '../src/errors.ts';
import { createLifetime, type Lifetime } from '../src/lifetime.ts';
import { type PeelContext, peel } from '../src/peel/peel.ts';
import type { PeelSetup } from '../src/peel/worker.ts';
import { queue } from '../src/queue/queue.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import type { Spool, Unit } from '../src/spool.ts';
import { chain, type Stage } from '../src/stage.ts';
import { unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

interface Peeling {
  readonly clock: FakeClock;
  readonly spool: Spool;
  readonly lifetime: Lifetime;
  readonly setup: PeelSetup;
  readonly line: Stage<Unit>;
  /** Gives the peelers another setup, as when an epoch begins. */
  change(setup: PeelSetup): Promise<void>;
}

/** Peels with one key, of `seedBytes`, over a spool of its own that settles by `settle`. */
async function startPeeling(
  stack: AsyncDisposableStack,
  seedBytes: number,
  settle: (spool: Spool) => Spool['settle'] = (spool) => spool.settle,
): Promise<Peeling> {
  const folder = await storesFolder('workers');
  stack.defer(() => rm(folder, { recursive: true }));
  const [clock, random] = [fakeClock(Date.UTC(2033, 1, 2)), seeded('workers')];
  const path = join(folder, 'spool.sqlite');
  const spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  const lifetime = createLifetime(clock, 10_000);
  const key = { epoch: 1, seed: random.bytes(seedBytes) };
  const setup = { geometry: defaultGeometry, nodeId: random.bytes(32), epochSeconds: 3_600, keys: [key] };
  let change: Peeling['change'] = async () => undefined;
  const keys: PeelContext['keys'] = {
    current: () => setup,
    onChange(listener) {
      change = listener;
    },
  };
  const counters = createCounters(createMetrics());
  const context = { clock, random, log: silentLog, counters, lifetime };
  const nothing: Stage<unknown> = { take: async () => undefined, close: async () => undefined };
  const line = chain(
    queue({ ...context, spool }, { kind: 'packet', lanes: 2, batch: 16 }),
    peel({
      ...context,
      spool: { ...spool, settle: settle(spool) },
      peelWorkers: 2,
      expiryMs: 86_400_000,
      keys,
    }),
    nothing,
  );
  stack.defer(() => line.close());
  return { clock, spool, lifetime, setup, line, change: (next) => change(next) };
}

test('a node whose worker threads die of its keys breaks down, closes, and keeps what it has taken', async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, spool, lifetime, line } = await startPeeling(stack, 1);
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

test('who changes the keys hears when what was opened with those before is settled, and holds up nothing else', async () => {
  await using stack = new AsyncDisposableStack();
  const held = Promise.withResolvers<void>();
  let settling = 0;
  const { spool, line, setup, change } = await startPeeling(stack, 32, (of) => async (id, verdict) => {
    settling += 1;
    if (settling === 1) await held.promise;
    return of.settle(id, verdict);
  });
  await line.take(unit());
  await until(() => settling === 1);
  let changed = false;
  const changing = change({ ...setup, keys: [] }).then(() => {
    changed = true;
  });
  await line.take(unit());
  await until(async () => (await spool.counts()).inputs === 1);
  expect({ settling, changed }).toEqual({ settling: 2, changed: false });
  held.resolve();
  await changing;
  expect(await spool.counts()).toMatchObject({ inputs: 0 });
});

test('a process that stood still takes no packet whose replay tag the others have forgotten since', async () => {
  const folder = await storesFolder('workers');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true }));
  const [random, epochSeconds, epoch] = [seeded('late'), 3_600, 1_000];
  const clock = fakeClock((epoch + keyEpochsHeld + 1.5) * epochSeconds * 1_000 - 1);
  const path = join(folder, 'spool.sqlite');
  const spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  const nodeId = random.bytes(32);
  const { seed, publicKey: mixKey } = generateMixKey(random);
  const setup = { geometry: defaultGeometry, nodeId, epochSeconds, keys: [{ epoch, seed }] };
  const keys = { current: () => setup, onChange: () => undefined };
  const counters = createCounters(createMetrics());
  const context = { clock, random, log: silentLog, spool, counters, lifetime: createLifetime(clock, 10_000) };
  const line = peel({ ...context, peelWorkers: 1, expiryMs: 86_400_000, keys })({
    take: async () => undefined,
    close: async () => undefined,
  });
  const hop: Hop = { nodeId, mixKey, delayMs: 0 };
  const hops = Array.from({ length: defaultGeometry.hops }, () => hop);
  const take = async (): Promise<void> => {
    const payload = random.bytes(defaultGeometry.payloadBytes);
    const bytes = buildPacket(defaultGeometry, epoch, hops, { domain: 'b.test' }, payload);
    await spool.accept({ kind: 'packet', bytes });
    await line.take(await spool.claimInputs('packet', 1));
  };
  await take();
  await clock.advance(1);
  await take();
  expect((await counters.values()).peeled).toMatchObject({ relay: 1, 'wrong-epoch': 1 });
  expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 1 });
  await line.close();
});
