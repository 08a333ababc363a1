import { below } from '@postern/protocol/primitives';
import type { NetworkFile, ProcessRole, SeededRandom } from '@postern/testkit';

/** The roles that are killed: a mix, the gateway of a domain. */
export type Victim = Exclude<ProcessRole, 'authority'>;

/** Kills processes again and again, until disposed. */
export interface Killer extends AsyncDisposable {
  /** Processes killed so far, by their role. */
  readonly kills: Readonly<Record<Victim, number>>;
  stop(): Promise<void>;
}

export interface KillerOptions {
  /** Where the processes are now. */
  read(): Promise<NetworkFile>;
  readonly random: SeededRandom;
  /** Resolves when the next one is due; rejects as `signal` aborts. */
  due(signal: AbortSignal): Promise<unknown>;
  /** Called with the one that is killed next, right before. */
  before(pid: number): Promise<void>;
}

/** Whose turn it is to be killed, one after the other and again from the front: a network has more mixes than gateways. */
const turns: readonly Victim[] = ['delivery', 'mix', 'mix'];

/** Sends SIGKILL to a random running process of the role whose turn it is, whenever one is due; later to another, or the same again. */
export function killNodes({ read, random, due, before }: KillerOptions): Killer {
  const over = new AbortController();
  const kills = { mix: 0, delivery: 0 };
  const run = async (): Promise<void> => {
    for (let tick = 0; ; tick++) {
      await due(over.signal);
      const victim = turns[tick % turns.length] as Victim;
      const pids = (await read()).processes.filter(({ role }) => role === victim).map(({ pid }) => pid);
      // One that is down already is passed over: each time one is killed.
      while (pids.length > 0) {
        const [pid = 0] = pids.splice(below(random, pids.length), 1);
        await before(pid);
        if (!kill(pid)) continue;
        kills[victim] += 1;
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
    kills,
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
