import { relative } from 'node:path';
import type { Clock, Log } from '@postern/runtime';
import { inOrder, type Loaded, loadRing, type Unread } from './keys/loaded.ts';
import { finishForgetting, forgetPast, promote, type Ring, type RingKind, readRing } from './keys/ring.ts';
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

/** Keys of one kind in a node that runs. */
export interface Rotation<T> {
  keys(): Ring<Loaded<T>>;
  /** Whether these are all that there are on disk: false while one cannot be read, which is tried again and again. */
  isComplete(): boolean;
  /** Called once there are others, or none is missing any more, with what there was before. A listener throws nothing. */
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
/** How soon the log says again that a key cannot be read. */
const sayAgainMs = 86_400_000;

/** Throws what `load` throws for the one in force or the next; one before that cannot be read is logged, and missing until it can. */
export async function openRotation<T>(context: RotationContext<T>): Promise<Rotation<T>> {
  const { clock, log, dataDir, kind, what, load } = context;
  const listeners: ((keys: Ring<Loaded<T>>, before: Ring<Loaded<T>>) => void)[] = [];
  const sayUnread = createUnreadLog(context);
  await finishForgetting(dataDir, kind);
  const first = await readRing(dataDir, kind);
  let mark = markOf(first);
  let { keys, unread } = await loadRing(first, load);
  let isComplete = unread.length === 0;
  sayUnread(unread);

  const reload = async (): Promise<void> => {
    const there = await readRing(dataDir, kind);
    const markThere = markOf(there);
    if (markThere === mark && isComplete) return;
    const before = { keys, unread, mark, isComplete };
    // The files of one that is or was in force never change, and what is known of them need not be read again.
    const loaded = await loadRing(there, load, [keys.current, ...keys.previous]);
    ({ keys, unread } = loaded);
    mark = markThere;
    isComplete = unread.length === 0;
    sayUnread(unread);
    const areOthers = mark !== before.mark || unread.length !== before.unread.length;
    if (!areOthers && isComplete === before.isComplete) return;
    for (const listener of listeners) listener(keys, before.keys);
    if (!areOthers) return;
    const isAnother = keys.current.dir !== before.keys.current.dir;
    log.info(isAnother ? 'another key is in force' : 'keys were added or removed', { what });
  };
  const look = (): Promise<void> =>
    reload().catch((error: unknown) => {
      isComplete = false;
      throw error;
    });

  /** Gives whether it changed anything. */
  const change = async ({ mayPromote, mayForget }: Conditions): Promise<boolean> => {
    const now = Math.floor(clock.now() / 1_000);
    const { next } = keys;
    const isTime = next !== undefined && next.at <= now && mayPromote();
    // What the conditions hold for is this one.
    const isPromoted = isTime && (await promote(dataDir, kind, next, now));
    const forgotten = mayForget() ? await forgetPast(dataDir, kind, now) : 0;
    if (forgotten > 0) log.info('old keys were destroyed', { what, keys: forgotten });
    return isPromoted || forgotten > 0;
  };

  return {
    keys: () => keys,
    isComplete: () => isComplete,
    onChange: (listener) => void listeners.push(listener),
    start: (conditions) =>
      startLoop({ clock, log, trouble: `keys could not be changed: ${what}` }, async (stop) => {
        // First of all: a step that fails keeps no key out.
        await look();
        if (await change(conditions)) await look();
        await clock.wait(clock.now() + everyMs, stop);
      }),
  };
}

function createUnreadLog({
  clock,
  log,
  dataDir,
  what,
}: RotationContext<unknown>): (unread: readonly Unread[]) => void {
  const said = new Map<string, number>();
  return (unread) => {
    for (const { dir, error } of unread) {
      if (clock.now() - (said.get(dir) ?? Number.NEGATIVE_INFINITY) < sayAgainMs) continue;
      said.set(dir, clock.now());
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      log.error(
        'a key before the present one cannot be read: mend it, or restore it from a backup; remove it only if it is lost for good',
        { what, folder: relative(dataDir, dir) || '.', code: codeOf(cause) },
      );
    }
  };
}

/** The same as long as the keys are. */
function markOf(ring: Ring): string {
  return inOrder(ring)
    .map(({ dir }) => dir)
    .join('\n');
}
