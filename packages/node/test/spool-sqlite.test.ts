import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { expect, test } from 'vitest';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { relayVerdict, type Site, spoolContract } from './spool-contract.ts';
import { crashContract } from './spool-crash.ts';
import { returnsContract } from './spool-returns.ts';
import { fakeClock, seeded } from './support.ts';

async function createSite(): Promise<Site> {
  const folder = await storesFolder('spool');
  const random = seeded('ids');
  return {
    open: (clock, options = {}) =>
      openSqliteSpool({
        unitBytes: 32_768,
        path: join(folder, 'spool.sqlite'),
        clock,
        random,
        leaseMs: 60_000,
        ...options,
      }),
    dispose: () => rm(folder, { recursive: true }),
  };
}

spoolContract('SQLite', createSite);
returnsContract('SQLite', createSite);

crashContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-crash-'));
  const path = join(folder, 'spool.sqlite');
  return {
    place: ['sqlite', path],
    open: () => openSqliteSpool({ unitBytes: 32_768, path, clock: systemClock, random: seeded('after') }),
    dispose: () => rm(folder, { recursive: true }),
  };
});

test('what a clock gave up while it was ahead may be claimed once it is right again', async () => {
  const site = await createSite();
  const [right, ahead] = [Date.UTC(2030, 0, 1), Date.UTC(2030, 0, 2)];
  let now = right;
  const spool = await site.open({ ...fakeClock(right), now: () => now });
  try {
    const relays = [relayVerdict(), relayVerdict()].map(({ relay }) => ({ ...relay, dueMs: right }));
    for (const relay of relays) await spool.send(relay);
    expect(await spool.relays.claim(9)).toHaveLength(2);
    now = ahead;
    await spool.sweep();
    now = right;
    expect(await spool.relays.claim(9)).toHaveLength(2);
  } finally {
    await spool.close();
    await site.dispose();
  }
});
