import type { Clock, Random } from '@postern/runtime';
import { jitteredBackoff, type Pause, upperHalf } from '../backoff.ts';
import { createSlots } from '../slots.ts';

/** The way to one peer. While it fails, whoever would take it is told to come back. */
export interface Lane {
  /** When it is worth trying again; in the past when it works. */
  readonly restUntil: number;
  /** Whether there is neither a connection to be had now nor a place in line for one. */
  readonly crowded: boolean;
  /**
   * When one that cannot wait here, from then on, is to come back: about when those that were told so before have left, at the pace of
   * late. Otherwise all that wait on disk for one peer would be asked, and put back, again and again.
   */
  comeBack(fromMs: number): number;
  /** Takes a connection, or a place in line until one is free, and runs `work`. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** The peer took a relay, or refused one for good. */
  works(): void;
  /** The peer could not be reached, is not who it should be, or takes nothing for now (4yz). */
  fails(): void;
}

export interface LanesOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Hand-overs to one peer at one time. */
  readonly width: number;
  /** Relays in memory for one peer, so that a slow one does not keep others from being taken off the disk. */
  readonly each: number;
  /**
   * For all peers together. Whoever finds a connection needs no place in line: full lines keep nobody from a peer that is idle. Once a quarter
   * of the connections is in use a peer gets no second one, so that it takes hundreds of peers that hang to keep others from theirs.
   */
  readonly all?: Load;
}

/** Relays that have a connection, and such as wait for one. */
export interface Load {
  readonly connections: number;
  readonly line: number;
}

const rest: Pause = { firstMs: 500, mostMs: 60_000 };
/** Past its rest, and whatever else they are told, those that wait for a peer come back in less: one that nobody has tried for so long begins anew. */
const forgottenMs = 2 * rest.mostMs;

/**
 * Between two relays that leave: what is assumed of a peer that is not known, the least (some that leave together do not make it nothing),
 * what a new one counts, and how many times the pace so far it counts as at most, so that one silence, or a clock that is set, does not
 * change it much.
 */
const pace = { assumedMs: 2, leastMs: 0.25, weight: 1 / 16, mostTimes: 16 };
/** While nobody leaves at all, each comes back after as long as that has lasted, but no later than this. */
const mostIdleMs = rest.mostMs;
/** Nobody is told to come back later than this: a peer may have become quicker. */
const mostBackMs = 300_000;

const unbounded: Load = { connections: Number.POSITIVE_INFINITY, line: Number.POSITIVE_INFINITY };

/** Of the connections of all; from there on each peer has one. */
const amplePart = 0.25;

/** How often unused lanes are looked for; a clock that is set back by less is as good as right. */
const sweepMs = 1_000;

/** Lanes by the key of their way. */
export function createLanes(options: LanesOptions): (key: string) => Lane {
  const { clock } = options;
  const lanes = new Map<string, OpenLane>();
  const load = { connections: 0, line: 0 };
  let askedMs = 0;
  let sweptMs = 0;
  return (key) => {
    const now = clock.now();
    const setBack = now < askedMs - sweepMs;
    askedMs = now;
    if (setBack) for (const lane of lanes.values()) lane.forgetTimes();
    if (setBack || now >= sweptMs + sweepMs) {
      sweptMs = now;
      for (const [other, lane] of lanes) if (lane.unused(now)) lanes.delete(other);
    }
    const found = lanes.get(key);
    if (found !== undefined && !found.unused(now)) return found;
    const lane = openLane(options, load);
    lanes.set(key, lane);
    return lane;
  };
}

interface OpenLane extends Lane {
  unused(now: number): boolean;
  /** The clock has been set back: whatever was to come by it comes at once. */
  forgetTimes(): void;
}

/** `load`: of all lanes together. */
function openLane(
  { clock, random, width, each, all = unbounded }: LanesOptions,
  load: { -readonly [K in keyof Load]: Load[K] },
): OpenLane {
  const slots = createSlots(width);
  let here = 0;
  let failures = 0;
  let restUntil = 0;
  let paceMs = pace.assumedMs;
  /** When the peer took or refused one last, or one got in where nobody was: a peer that has nothing to do is not slow. */
  let sinceMs = 0;
  /** When the last of those that were told to come back is to come, at the pace of then. */
  let backMs = 0;
  /** Since the peer took, refused or failed one last: when the first was told so, or the rest that it was told of ends; and when the last was. */
  let told: { readonly firstMs: number; readonly lastMs: number } | undefined;
  /** One that is further off than a rest may be was begun by a clock that has been set back since. */
  const rests = (): number => (restUntil > clock.now() + rest.mostMs ? 0 : restUntil);
  const learn = (now: number): void => {
    const intervalMs = Math.min(Math.max(0, now - sinceMs), paceMs * pace.mostTimes);
    paceMs = Math.max(paceMs + (intervalMs - paceMs) * pace.weight, pace.leastMs);
  };
  const forgotten = (now: number): boolean =>
    backMs <= now && Math.max(told?.lastMs ?? 0, restUntil) + forgottenMs <= now;
  /** Connections that the peer may have now: of one that has failed the next shows whether it answers again. */
  const share = (): number => (failures > 0 || load.connections >= all.connections * amplePart ? 1 : width);
  return {
    get restUntil() {
      return rests();
    },
    get crowded() {
      if (here < width) return here >= share() || load.connections >= all.connections;
      return here >= each || load.line >= all.line;
    },
    comeBack(fromMs) {
      const now = clock.now();
      const firstMs = told === undefined || forgotten(now) ? fromMs : told.firstMs;
      told = { firstMs, lastMs: now };
      // Two to three times the pace: who comes too early is told again, and a peer that has become quicker is not kept waiting.
      backMs = Math.min(Math.max(backMs, fromMs) + paceMs / 2, fromMs + mostBackMs);
      return fromMs + upperHalf(Math.max(backMs - fromMs, Math.min(now - firstMs, mostIdleMs)), random);
    },
    async run(work) {
      if (here === 0) sinceMs = clock.now();
      load[here++ < width ? 'connections' : 'line']++;
      await slots.enter();
      try {
        return await work();
      } finally {
        slots.leave();
        load[--here < width ? 'connections' : 'line']--;
      }
    },
    works() {
      const now = clock.now();
      if (here > width || backMs > now) learn(now);
      sinceMs = now;
      told = undefined;
      failures = 0;
      restUntil = 0;
    },
    fails() {
      const now = clock.now();
      // Those that were under way together fail together: one failure.
      if (rests() > now) return;
      restUntil = now + jitteredBackoff(failures++, rest, random);
      told = undefined;
    },
    unused: (now) => here === 0 && forgotten(now),
    forgetTimes() {
      restUntil = 0;
      backMs = 0;
      told = undefined;
      sinceMs = clock.now();
    },
  };
}
