import type { Clock, Log } from '@postern/runtime';
import { forgetPast, type Generation, promote, type Ring, type RingKind, readRing } from './keys/ring.ts';
import { type Loop, startLoop } from './loop.ts';

export interface RotationContext<T> {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  readonly kind: RingKind;
  /** What the log says of it: a constant. */
  readonly what: string;
  /** Reads the files of one generation. */
  load(dir: string): Promise<T>;
}

export type Loaded<T> = Generation & { readonly value: T };

/** Keys of one kind in a node that runs. */
export interface Rotation<T> {
  keys(): Ring<Loaded<T>>;
  /** Called once there are others, with what there was before. A listener throws nothing. */
  onChange(listener: (keys: Ring<Loaded<T>>, before: Ring<Loaded<T>>) => void): void;
  /**
   * Looks for keys that were made meanwhile, puts the next ones in force once it is time and `mayPromote` says so, and
   * destroys those past their overlap.
   */
  start(mayPromote: () => boolean): Loop;
}

/** How soon another key is taken up. */
const everyMs = 2_000;

/** Throws what `load` throws. */
export async function openRotation<T>(context: RotationContext<T>): Promise<Rotation<T>> {
  const { clock, log, dataDir, kind, what } = context;
  const listeners: ((keys: Ring<Loaded<T>>, before: Ring<Loaded<T>>) => void)[] = [];
  let keys = await loadRing(context);

  const turn = async (mayPromote: () => boolean): Promise<void> => {
    const now = Math.floor(clock.now() / 1_000);
    const forgotten = await forgetPast(dataDir, kind, now);
    if (forgotten > 0) log.info('old keys were destroyed', { what, keys: forgotten });
    const { next } = keys;
    if (next !== undefined && next.at <= now && mayPromote()) await promote(dataDir, kind, now);
    if (sameRing(keys, await readRing(dataDir, kind))) return;
    const before = keys;
    keys = await loadRing(context);
    for (const listener of listeners) listener(keys, before);
    log.info(
      keys.current.dir !== before.current.dir ? 'another key is in force' : 'keys were added or removed',
      { what },
    );
  };

  return {
    keys: () => keys,
    onChange: (listener) => void listeners.push(listener),
    start: (mayPromote) =>
      startLoop({ clock, log, trouble: `keys could not be changed: ${what}` }, async (stop) => {
        await turn(mayPromote);
        await clock.wait(clock.now() + everyMs, stop);
      }),
  };
}

async function loadRing<T>({ dataDir, kind, load }: RotationContext<T>): Promise<Ring<Loaded<T>>> {
  const { next, current, previous } = await readRing(dataDir, kind);
  const read = async (one: Generation): Promise<Loaded<T>> => ({ ...one, value: await load(one.dir) });
  return {
    next: next && (await read(next)),
    current: await read(current),
    previous: await Promise.all(previous.map(read)),
  };
}

function sameRing(a: Ring, b: Ring): boolean {
  const names = ({ next, current, previous }: Ring): string =>
    [next, current, ...previous].map((one) => one?.dir ?? '').join('\n');
  return names(a) === names(b);
}
