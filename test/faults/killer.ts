import { setTimeout as pause } from 'node:timers/promises';
import { below } from '@postern/protocol/primitives';
import type { NetworkFile, SeededRandom } from '@postern/testkit';

/** Kills processes on a schedule of its own, until disposed. */
export interface Killer extends AsyncDisposable {
  /** Processes killed so far. */
  readonly kills: number;
  stop(): Promise<void>;
}

export interface KillerOptions {
  /** Where the processes are now. */
  read(): Promise<NetworkFile>;
  readonly random: SeededRandom;
  readonly everyMs: number;
}

/** Sends SIGKILL to a random running mix at every tick; at the next tick to another, or the same again. */
export function killMixes({ read, random, everyMs }: KillerOptions): Killer {
  const over = new AbortController();
  let kills = 0;
  const run = async (): Promise<void> => {
    for (;;) {
      await pause(everyMs, undefined, { signal: over.signal });
      const mixes = (await read()).processes.filter(({ role }) => role === 'mix').map(({ pid }) => pid);
      // One that is down already is passed over: every tick kills one.
      while (mixes.length > 0) {
        const [pid = 0] = mixes.splice(below(random, mixes.length), 1);
        if (!kill(pid)) continue;
        kills += 1;
        break;
      }
    }
  };
  const ended = run().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  ended.catch(() => undefined); // whoever stops it is told
  const stop = (): Promise<void> => {
    over.abort();
    return ended;
  };
  return {
    get kills() {
      return kills;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** False when no process of this id runs. */
function kill(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
