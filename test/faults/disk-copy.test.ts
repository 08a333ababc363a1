import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { haveRedis } from '@postern/node/testing';
import { expect, test } from 'vitest';
import { machine } from '../machine.ts';

const making = ['--mount', 'sh', '-ec', 'truncate -s 64M "$1"; mkfs.ext4 -q -F "$1"', 'sh'];
/** A file system of its own in a file, which nobody else sees; without, the files of a folder are the disk. */
const mounts = ['sh', '-ec', 'mount -o loop "$1" "$2"; shift 2; exec "$@"', 'sh'];
const onDisk = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child', ...mounts];
/** One of how many strings is tried as a chain key too, which takes ten times as long; 1 for each. */
const chainOneIn = Number(process.env.POSTERN_FAULT_CHAIN ?? 16);
const program = fileURLToPath(new URL('./disk/program.ts', import.meta.url));

test.skipIf(!haveRedis)(
  'a copy of a mix’s disk opens no packet of an epoch whose time is over',
  async ({ signal }) => {
    const folder = await mkdtemp(join(tmpdir(), 'pn-'));
    try {
      const [disk, image] = [join(folder, 'disk'), join(folder, 'image')];
      await mkdir(disk);
      const isImage = makeImage(image, disk);
      const node = [
        process.execPath,
        '--conditions=@postern/source',
        program,
        folder,
        disk,
        String(chainOneIn),
      ];
      const [command, given] = isImage
        ? ['unshare', [...onDisk, image, disk, ...node, image]]
        : [process.execPath, node.slice(1)];
      const options = { signal, killSignal: 'SIGKILL' } as const;
      const { stdout } = await promisify(execFile)(command, given, options);
      const printed: Printed = JSON.parse(stdout);
      const { held, after, wires, recorded, seconds } = printed;
      const what = printed.isImage ? 'blocks of its file system' : 'files';
      const tried = `${count(after)} in ${mega(after.bytes)} MB of the ${what}, ${count(wires)} in ${mega(recorded)} MB of its wires`;
      const opened = sum(after) + sum(wires);
      process.stdout.write(
        `opened ${opened} of 4 packets (${tried}; with a copy from before the end ${sum(held)}; ${seconds.toFixed(0)} s; ${machine()})\n`,
      );
      const none = ['sqlite.test', 'redis.test'].map((name) => ({ name, forms: [], opened: 0 }));
      expect(after.opens).toEqual(none);
      expect(wires.opens).toEqual(none);
      // the same search, where there is something to find
      expect(held.opens).toEqual(none.map(({ name }) => ({ name, forms: ['seed'], opened: 2 })));
      expect(recorded).toBeGreaterThan(4 * 32_768);
      expect(after.tried).toBeGreaterThan(10_000);
      expect(after.followed).toBeGreaterThan(after.tried / chainOneIn / 2);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

/** What `disk/program.ts` prints. */
interface Printed {
  readonly isImage: boolean;
  readonly recorded: number;
  readonly held: Told;
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
  readonly bytes: number;
}

/** A file system of 64 MB in a file; false where it cannot be mounted. */
function makeImage(image: string, disk: string): boolean {
  if (spawnSync('unshare', [...making, image]).status !== 0) return false;
  return spawnSync('unshare', [...onDisk, image, disk, 'true']).status === 0;
}

function sum({ opens }: Told): number {
  return opens.reduce((all, { opened }) => all + opened, 0);
}

function count({ tried, followed }: Told): string {
  return `${tried} strings of 32 bytes (${followed} as a chain key too)`;
}

function mega(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}
