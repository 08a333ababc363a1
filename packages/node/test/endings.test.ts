import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeError } from '../src/errors.ts';
import { keepEndings } from '../src/queue/endings.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { claimLeaseMs, type Spool, type SpoolId } from '../src/spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

const start = Date.UTC(2030, 0, 1);
let folder: string;
let clock: FakeClock;
let store: Spool;
let spool: Spool;
/** Whether the store takes no ends of claims, and how many it refused. */
let stuck: boolean;
let refused: number;

beforeEach(async () => {
  folder = await storesFolder('endings');
  clock = fakeClock(start);
  stuck = true;
  refused = 0;
  store = await openStore();
  const { relays, sets } = store;
  const unlessStuck =
    <Given extends unknown[]>(end: (...given: Given) => Promise<void>) =>
    async (...given: Given): Promise<void> => {
      if (!stuck) return end(...given);
      refused += 1;
      throw new NodeError('spool-io', 'stuck');
    };
  spool = keepEndings(
    {
      ...store,
      releaseInputs: unlessStuck(store.releaseInputs),
      relays: {
        ...relays,
        release: unlessStuck(relays.release),
        finish: unlessStuck(relays.finish),
        retry: unlessStuck(relays.retry),
        postpone: unlessStuck(relays.postpone),
      },
      sets: { ...sets, release: unlessStuck(sets.release), finish: unlessStuck(sets.finish) },
    },
    { clock, log: silentLog },
  );
});
afterEach(async () => {
  await spool.close();
  await rm(folder, { recursive: true });
});

function openStore(): Promise<Spool> {
  const path = join(folder, 'spool.sqlite');
  return openSqliteSpool({ path, clock, random: seeded('endings'), unitBytes: 32_768 });
}

/** A relay that is due, and whoever asked for it holds. */
async function holdRelay(): Promise<SpoolId> {
  await spool.accept(unit());
  const [input] = await spool.claimInputs('packet', 1);
  const settled = await spool.settle(input?.id ?? '', relayVerdict({ dueMs: 0 }));
  if (settled.kind !== 'waiting') throw new Error(settled.kind);
  return settled.waiting.id;
}

/** Lets pauses pass until it is so. */
function inTime(holds: () => Promise<boolean>): Promise<void> {
  return until(async () => {
    await clock.advance(1_000);
    return holds();
  });
}

test('inputs that could not be given back can be claimed once they can', async () => {
  await spool.accept(unit());
  const [input] = await spool.claimInputs('packet', 1);
  await expect(spool.releaseInputs([input?.id ?? ''])).rejects.toMatchObject({ code: 'spool-io' });
  await inTime(async () => refused > 2);
  expect(await spool.claimInputs('packet', 1)).toEqual([]);
  stuck = false;
  await inTime(async () => (await spool.claimInputs('packet', 1)).length === 1);
  expect(clock.now()).toBeLessThan(start + claimLeaseMs);
});

test('a relay that was handed over is not handed over again, though that could not be noted at once', async () => {
  const id = await holdRelay();
  await expect(spool.relays.finish(id)).rejects.toMatchObject({ code: 'spool-io' });
  // Whoever failed gives back what it held.
  await spool.relays.release([id]);
  await clock.advance(claimLeaseMs);
  expect(await spool.relays.claim(1)).toEqual([]);
  stuck = false;
  await inTime(async () => (await spool.counts()).relays === 0);
});

test.each([
  ['retry', 1],
  ['postpone', 0],
] as const)('a relay that could not be made due again is, once it can: %s', async (kind, attempts) => {
  const id = await holdRelay();
  await expect(spool.relays[kind](id, start + 5_000)).rejects.toMatchObject({ code: 'spool-io' });
  stuck = false;
  let claimed: unknown[] = [];
  await inTime(async () => {
    claimed = await spool.relays.claim(1);
    return claimed.length > 0;
  });
  expect(claimed).toMatchObject([{ id, attempts }]);
  expect(clock.now()).toBeLessThan(start + claimLeaseMs);
});

test.each([
  ['retry', (id: SpoolId) => spool.relays.retry(id, start)],
  ['release', (id: SpoolId) => spool.relays.release([id])],
])('a claim is not ended by what was kept of the one before: %s', async (_, end) => {
  const id = await holdRelay();
  const other = await holdRelay();
  await expect(end(id)).rejects.toMatchObject({ code: 'spool-io' });
  await expect(end(other)).rejects.toMatchObject({ code: 'spool-io' });
  await clock.advance(claimLeaseMs);
  const [relay] = await spool.relays.claim(1);
  expect(relay).toMatchObject({ attempts: 0 });
  stuck = false;
  await inTime(async () => (await store.relays.claim(1)).length === 1);
  expect(await store.relays.claim(1)).toEqual([]);
});

test('what could not be noted is tried once more at the end', async () => {
  const id = await holdRelay();
  await expect(spool.relays.finish(id)).rejects.toMatchObject({ code: 'spool-io' });
  stuck = false;
  await spool.close();
  store = await openStore();
  expect(await store.counts()).toMatchObject({ relays: 0 });
  await store.close();
});
