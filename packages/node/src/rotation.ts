import type { Clock, Log } from '@postern/runtime';
import {
  finishForgetting,
  forgetPast,
  type Generation,
  promote,
  type Ring,
  type RingKind,
  readRing,
} from './keys/ring.ts';
import { codeOf, type Loop, startLoop } from './loop.ts';

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
   * Looks for keys that were made meanwhile, puts the next ones in force, and destroys those past their overlap: each once it is time
   * and the conditions allow it.
   */
  start(conditions: Conditions): Loop;
}

/** What has to hold besides the time. */
export interface Conditions {
  mayPromote(): boolean;
  mayForget(): boolean;
}

/** How soon another key is taken up. */
const everyMs = 2_000;

/** Throws what `load` throws for the one in force or the next; one before that cannot be read is logged and left out. */
export async function openRotation<T>(context: RotationContext<T>): Promise<Rotation<T>> {
  const { clock, log, dataDir, kind, what } = context;
  const listeners: ((keys: Ring<Loaded<T>>, before: Ring<Loaded<T>>) => void)[] = [];
  await finishForgetting(dataDir, kind);
  let found = await readRing(dataDir, kind);
  let keys = await loadRing(context, found);

  const turn = async ({ mayPromote, mayForget }: Conditions): Promise<void> => {
    const now = Math.floor(clock.now() / 1_000);
    const forgotten = mayForget() ? await forgetPast(dataDir, kind, now) : 0;
    if (forgotten > 0) log.info('old keys were destroyed', { what, keys: forgotten });
    const { next } = keys;
    if (next !== undefined && next.at <= now && mayPromote()) await promote(dataDir, kind, now);
    const there = await readRing(dataDir, kind);
    if (sameRing(found, there)) return;
    const before = keys;
    keys = await loadRing(context, there);
    found = there;
    for (const listener of listeners) listener(keys, before);
    log.info(
      keys.current.dir !== before.current.dir ? 'another key is in force' : 'keys were added or removed',
      { what },
    );
  };

  return {
    keys: () => keys,
    onChange: (listener) => void listeners.push(listener),
    start: (conditions) =>
      startLoop({ clock, log, trouble: `keys could not be changed: ${what}` }, async (stop) => {
        await turn(conditions);
        await clock.wait(clock.now() + everyMs, stop);
      }),
  };
}

async function loadRing<T>(
  { load, log, what }: RotationContext<T>,
  { next, current, previous }: Ring,
): Promise<Ring<Loaded<T>>> {
  const read = async (one: Generation): Promise<Loaded<T>> => ({ ...one, value: await load(one.dir) });
  const readBefore = (one: Generation): Promise<Loaded<T>[]> =>
    read(one).then(
      (loaded) => [loaded],
      (error: unknown) => {
        log.error('a key before the present one cannot be read: restore its folder from a backup', {
          what,
          code: codeOf(error),
        });
        return [];
      },
    );
  return {
    next: next && (await read(next)),
    current: await read(current),
    previous: (await Promise.all(previous.map(readBefore))).flat(),
  };
}

function sameRing(a: Ring, b: Ring): boolean {
  const names = ({ next, current, previous }: Ring): string =>
    [next, current, ...previous].map((one) => one?.dir ?? '').join('\n');
  return names(a) === names(b);
}
