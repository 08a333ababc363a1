import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { haveRedis } from '@postern/node/testing';
import { describe, expect, test } from 'vitest';
import { machine } from '../machine.ts';

/** A file system of its own, which nobody else sees, and processes of its own: all of it goes with the first of them, and that with `unshare`. */
const mounts = ['sh', '-ec', 'mount -t tmpfs -o size=250m none "$1"; shift; exec "$@"', 'sh'];
const onSmallDisk = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child', ...mounts];
const canMount = spawnSync('unshare', [...onSmallDisk, '/mnt', 'true']).status === 0;
const program = fileURLToPath(new URL('./full-disk.ts', import.meta.url));
/** SQLite lies on the node's own disk, and nodes leave something of that. */
const stores = [
  ['SQLite', ['some', 'none'], true],
  ['Redis', ['none'], haveRedis],
] as const;
const some = 10_000_000;

for (const [store, left, isThere] of stores)
  describe.skipIf(!canMount || !isThere)(`a disk with spools in ${store}`, () => {
    test('gets full while messages are on their way: senders are put off, and once there is room all of it arrives once', async ({
      signal,
    }) => {
      const disk = await mkdtemp(join(tmpdir(), 'pn-'));
      try {
        const node = [process.execPath, '--conditions=@postern/source', program, disk, store];
        const { stdout } = await promisify(execFile)('unshare', [...onSmallDisk, disk, ...node], {
          signal,
          killSignal: 'SIGKILL',
        });
        const { left: bytes, figure, wrong }: Printed = JSON.parse(stdout);
        process.stdout.write(`${figure} (${store}, on a disk that was full; ${machine()})\n`);
        expect(wrong).toEqual([]);
        expect(bytes.map((each) => (each > some ? 'some' : 'none'))).toEqual(left);
      } finally {
        await rm(disk, { recursive: true });
      }
    });
  });

/** What `full-disk.ts` prints. */
interface Printed {
  readonly left: readonly number[];
  readonly figure: string;
  readonly wrong: readonly string[];
}
