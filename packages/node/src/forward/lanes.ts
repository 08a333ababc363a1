import type { Clock, Random } from '@postern/runtime';
import { jitteredBackoff, type Pause } from '../backoff.ts';
import { createSlots, type Slots } from '../slots.ts';

/** The way to one peer. While it fails, whoever would take it is told to come back. */
export interface Lane {
  /** When it is worth trying again; in the past when it works. */
  readonly restUntil: number;
  /** Whether as many stand in line as may. */
  readonly crowded: boolean;
  /** Takes a place, waits for a free connection's turn, runs `work`. */
  run(work: () => Promise<void>): Promise<void>;
  /** The peer answered, whatever it said. */
  works(): void;
  /** The peer could not be reached, or is not who it should be. */
  fails(): void;
}

export interface LanesOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Hand-overs to one peer at one time. */
  readonly width: number;
}

/** Relays in memory for one peer, so that a slow one does not keep others from being taken off the disk. */
const lineLimit = 128;
const rest: Pause = { firstMs: 500, mostMs: 60_000 };
/** Past its rest what waits for a peer comes back in less: a peer that nobody has tried for so long begins anew. */
const forgottenMs = 2 * rest.mostMs;

/** Lanes by the key of their way. */
export function createLanes({ clock, random, width }: LanesOptions): (key: string) => Lane {
  const lanes = new Map<string, OpenLane>();
  return (key) => {
    for (const [other, lane] of lanes) if (lane.unused(clock.now())) lanes.delete(other);
    const lane = lanes.get(key) ?? openLane(createSlots(width), { clock, random });
    lanes.set(key, lane);
    return lane;
  };
}

interface OpenLane extends Lane {
  unused(now: number): boolean;
}

function openLane(slots: Slots, { clock, random }: Omit<LanesOptions, 'width'>): OpenLane {
  let line = 0;
  let failures = 0;
  let restUntil = 0;
  return {
    get restUntil() {
      return restUntil;
    },
    get crowded() {
      return line >= lineLimit;
    },
    async run(work) {
      line++;
      await slots.enter();
      try {
        await work();
      } finally {
        slots.leave();
        line--;
      }
    },
    works() {
      failures = 0;
      restUntil = 0;
    },
    fails() {
      // Those that were under way together fail together: one failure.
      if (restUntil > clock.now()) return;
      restUntil = clock.now() + jitteredBackoff(failures++, rest, random);
    },
    unused: (now) => line === 0 && (failures === 0 || restUntil + forgottenMs <= now),
  };
}
