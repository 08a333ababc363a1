import { type Member, TestkitError, until } from '@postern/testkit';
import { startAuthor } from './author.ts';
import type { Cascade } from './cascade.ts';
import type { Point } from './points.ts';
import { killAtCall } from './strace.ts';
import type { Traps } from './traps.ts';

/** A process that is killed, and comes back. */
interface Target {
  readonly pid: number;
  kill(): boolean;
  /** Resolves once it does its work again. */
  ready(signal: AbortSignal): Promise<void>;
}

export interface Strike {
  readonly cascade: Cascade;
  /** On all wires of it. */
  readonly traps: Traps;
  readonly points: readonly Point[];
  /** Counts by the points' names. */
  readonly hits: Map<string, number>;
  /** Called with a process of a node that is to be killed, right before it is waited for at the point. */
  before(pid: number): Promise<void>;
  readonly signal: AbortSignal;
}

/** Notes on their way at one time, while there is something to strike at. */
const underWay = 24;
/** Notes that make a spool busy before it has nothing to do. */
const burst = 4;
const reachedMs = 120_000;

/**
 * Kills processes at each of the points, those of different victims at one time, and adds up in `hits` what was hit. Resolves to how many
 * notes were handed over. Throws when a point is not reached, or nothing arrives any more.
 */
export async function strike({ cascade, traps, points, hits, before, signal }: Strike): Promise<number> {
  using author = startAuthor(cascade, signal);

  const once = async ({ at }: Point, target: Target, over: AbortSignal): Promise<boolean> => {
    await before(target.pid);
    if (at.kind !== 'disk') return traps.set(cascade.nodes[at.node].name, at, target.kill, over);
    await target.ready(over);
    const onWatching = at.idle ? () => author.want(burst) : () => undefined;
    return (await killAtCall(target.pid, at.call, { signal: over, onWatching })) === 'killed';
  };
  const strikeAt = async (point: Point, target: Target): Promise<void> => {
    await target.ready(signal);
    if (!isIdle(point)) await author.progress();
    const over = AbortSignal.any([signal, AbortSignal.timeout(reachedMs)]);
    while (!(await once(point, target, over)))
      if (over.aborted) throw new TestkitError('not-ready', `${point.name}: not reached`);
    hits.set(point.name, (hits.get(point.name) ?? 0) + 1);
  };
  const strikeVictims = async (own: readonly Point[]): Promise<void> => {
    const lanes = [...Map.groupBy(own, ({ victim }) => victim)].map(async ([victim, these]) => {
      const target = victim === 'Redis' ? redisOf(cascade) : targetOf(cascade.nodes[victim]);
      for (const point of these) await strikeAt(point, target);
      await target.ready(signal);
    });
    await Promise.all(lanes);
  };

  author.keep(underWay);
  await strikeVictims(points.filter((point) => !isIdle(point)));
  author.keep(0);
  await strikeVictims(points.filter(isIdle));
  return author.end();
}

function isIdle({ at }: Point): boolean {
  return at.kind === 'disk' && at.idle;
}

function redisOf({ redis }: Cascade): Target {
  return {
    get pid() {
      return redis.pid;
    },
    kill() {
      const wasRunning = redis.isRunning;
      void redis.kill();
      return wasRunning;
    },
    ready: redis.ready,
  };
}

/** A node works again once the consensus lists it. */
function targetOf({ name, process, status }: Member): Target {
  const listed = async (): Promise<boolean> => {
    const said = (await status().catch(() => undefined)) as
      | { readonly consensus: { readonly listed: boolean } | null }
      | undefined;
    return said?.consensus?.listed === true;
  };
  return {
    get pid() {
      return process.pid;
    },
    kill: process.kill,
    async ready(signal) {
      await until(listed, { what: `${name} works again`, signal, deadlineMs: reachedMs });
    },
  };
}
