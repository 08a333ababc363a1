import { mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { unit } from './spool-contract.ts';
import { fakeClock, seeded } from './support.ts';

/** In memory, where no more than other suites' files come and go. */
const memory = '/dev/shm';
const unitBytes = 32_768;

/** Bytes there that are none of this folder's. */
async function takenByOthers(folder: string): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(folder);
  const own = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
  return (blocks - bfree) * bsize - own.reduce((sum, file) => sum + file.blocks * 512, 0);
}

test.each([30, 60])(
  'a disk with %i MB for the spool fills up, is worked off, and takes as much again',
  async (megabytes) => {
    const folder = await mkdtemp(join(memory, 'postern-disk-'));
    try {
      const { bavail, bsize } = await statfs(folder);
      const spool = await openSqliteSpool({
        path: join(folder, 'spool.sqlite'),
        clock: fakeClock(Date.UTC(2030, 0, 1)),
        random: seeded('small disk'),
        unitBytes,
        reserveBytes: bavail * bsize - megabytes * 1_000_000,
      });
      const fill = async (): Promise<number> => {
        for (let taken = 0; ; taken += 16) {
          const results = await Promise.allSettled(Array.from({ length: 16 }, () => spool.accept(unit())));
          const refused = results.find((result) => result.status === 'rejected');
          if (refused === undefined) continue;
          expect(refused.reason).toMatchObject({ code: 'spool-full', exitCode: 75 });
          return taken;
        }
      };
      const before = await takenByOthers(folder);
      const first = await fill();
      expect(first).toBeGreaterThan(100);
      for (let round = 0; round < 2; round++) {
        for (;;) {
          const inputs = await spool.claimInputs('packet', 100);
          if (inputs.length === 0) break;
          await Promise.all(inputs.map(({ id }) => spool.settle(id, { kind: 'refused' })));
        }
        await spool.sweep();
        const again = await fill();
        const lost = Math.max(0, (await takenByOthers(folder)) - before) / unitBytes;
        expect(again).toBeGreaterThan((first - lost) / 2);
      }
      await spool.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
