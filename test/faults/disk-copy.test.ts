import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { haveRedis } from '@postern/node/testing';
import { expect, test } from 'vitest';
import { machine } from '../machine.ts';

/** A file system of its own in a file, which nobody else sees, and processes of its own: all of it goes with the first of them, and that with `unshare`. */
const mounts = `
  truncate -s 64M "$1/image"
  mkfs.ext4 -q -F "$1/image"
  mkdir "$1/disk"
  mount -o loop "$1/image" "$1/disk"
  shift
  exec "$@"`;
const onDisk = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child', 'sh', '-ec', mounts, 'sh'];
/** One of how many strings is tried as a chain key wherever it stands, which takes ten times as long; 1 for each. */
const chainOneIn = Number(process.env.POSTERN_FAULT_CHAIN ?? 16);
const program = fileURLToPath(new URL('./disk/program.ts', import.meta.url));

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'pn-'));
  const { status } = spawnSync('unshare', [...onDisk, folder, 'true']);
  rmSync(folder, { recursive: true });
  return status === 0;
}

test.skipIf(!haveRedis || !canMount())(
  'a copy of a mix’s disk opens no packet of an epoch whose time is over',
  async ({ signal }) => {
    const folder = await mkdtemp(join(tmpdir(), 'pn-'));
    try {
      const node = [process.execPath, '--conditions=@postern/source', program, folder, String(chainOneIn)];
      const { stdout } = await promisify(execFile)('unshare', [...onDisk, folder, ...node], {
        signal,
        killSignal: 'SIGKILL',
      });
      const { held, later, after, wires, recorded, seconds }: Printed = JSON.parse(stdout);
      const tried = `${count(after)} in ${mega(after.bytes)} MB of the blocks of its file system, ${count(wires)} in ${mega(recorded)} MB of its wires`;
      const opened = sum(after) + sum(wires);
      process.stdout.write(
        `opened ${opened} of 4 packets (${tried}; with a copy from before the end ${sum(held)}; ${seconds.toFixed(0)} s; ${machine()})\n`,
      );
      const none = ['sqlite.test', 'redis.test'].map((name) => ({ name, forms: [], opened: 0 }));
      expect(after.opens).toEqual(none);
      expect(wires.opens).toEqual(none);
      // the same search, where there is something to find
      expect(held.opens).toEqual(none.map(({ name }) => ({ name, forms: ['seed'], opened: 2 })));
      expect(later).toEqual(['chain key']);
      expect(recorded).toBeGreaterThan(4 * 32_768);
      expect(after.tried).toBeGreaterThan(10_000);
      expect(after.followed).toBeGreaterThan(after.tried / chainOneIn / 2);
      // that of the epochs to come lies where it is stored
      expect(after.behind).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

/** What `disk/program.ts` prints. */
interface Printed {
  readonly recorded: number;
  readonly held: Told;
  /** As what a key was found that the chain on the first copy leads to. */
  readonly later: readonly string[];
  readonly after: Told;
  readonly wires: Told;
  readonly seconds: number;
}

interface Told {
  readonly opens: readonly {
    readonly name: string;
    readonly forms: readonly string[];
    readonly opened: number;
  }[];
  readonly tried: number;
  readonly followed: number;
  readonly behind: number;
  readonly bytes: number;
}

function sum({ opens }: Told): number {
  return opens.reduce((all, { opened }) => all + opened, 0);
}

function count({ tried, followed, behind }: Told): string {
  return `${tried} strings of 32 bytes (${followed} as a chain key too, ${behind} of them where one is stored)`;
}

function mega(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}
