import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { type Site, spoolContract } from './spool-contract.ts';
import { crashContract } from './spool-crash.ts';
import { returnsContract } from './spool-returns.ts';
import { seeded } from './support.ts';

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
