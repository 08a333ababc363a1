import { readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ExitCode, UserError } from '@postern/runtime';

export { machine } from '../machine.ts';

/** Times of one piece of work, in milliseconds. */
export interface Timing {
  readonly n: number;
  readonly median: number;
  readonly mean: number;
  readonly p95: number;
}

/**
 * Work by name, in blocks of `block` runs in turn until each has had `runs` and a fifth more to warm up: all see the same machine,
 * and none pays for what another left in the caches or to the garbage collector but in its first run.
 */
export async function measureInTurn<Name extends string>(
  work: Readonly<Record<Name, () => unknown>>,
  { runs, block }: { readonly runs: number; readonly block: number },
): Promise<Record<Name, Timing>> {
  const names = Object.keys(work) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const warmUp = Math.ceil(runs / 5);
  for (let done = 0; done < warmUp + runs; done += block) {
    for (const name of names) {
      for (let i = 0; i < Math.min(block, warmUp + runs - done); i++) {
        const start = performance.now();
        await work[name]();
        times[name].push(performance.now() - start);
      }
    }
  }
  return Object.fromEntries(names.map((name) => [name, timing(times[name].slice(warmUp))])) as Record<
    Name,
    Timing
  >;
}

/** The folder for temporary files and its file system. Throws where that is memory, in which nothing is synced. */
export function disk(): string {
  const folder = realpathSync(tmpdir());
  const mounts = readFileSync('/proc/mounts', 'utf8').matchAll(/^\S+ (\S+) (\S+) /gm);
  const [{ type = 'unknown' } = {}] = [...mounts]
    .map(([, path = '', type]) => ({ path: path.replaceAll('\\040', ' '), type }))
    .filter(({ path }) => path === '/' || folder === path || folder.startsWith(`${path}/`))
    .reverse() // the last one of a path lies over those before
    .sort((one, other) => other.path.length - one.path.length);
  if (['tmpfs', 'ramfs'].includes(type))
    throw new UserError(
      `${folder} is ${type}, where nothing lasts and a sync costs nothing: set TMPDIR to a folder on a disk`,
      { exitCode: ExitCode.unavailable },
    );
  return `${folder} on ${type}`;
}

function timing(times: readonly number[]): Timing {
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return { n: times.length, median: median(times), mean, p95: quantile(times, 0.95) };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** One of the values, so that no more than the share `q` of them lies below. NaN of none. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const ascending = Float64Array.from(values).sort();
  return ascending[Math.floor(q * (ascending.length - 1))] ?? Number.NaN;
}
