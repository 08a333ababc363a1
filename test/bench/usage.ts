import { readdirSync, readFileSync } from 'node:fs';

/** Processor time of a process, ms: of all its threads, and of the one that had most. */
export interface Usage {
  readonly total: number;
  readonly busiest: number;
}

export function perMessage({ total, busiest }: Usage, count: number): Usage {
  return { total: total / count, busiest: busiest / count };
}

/** Clock ticks of `/proc`, proc(5): 100 a second on every Linux that Node runs on. */
const tickMs = 10;

/** Starts to count; the answer gives what the processes have used since, each on its own. */
export function startUsage(pids: readonly number[]): () => Usage[] {
  const before = pids.map(threads);
  return () =>
    pids.map((pid, at) => {
      const since = [...threads(pid)].map(([thread, ms]) => ms - (before[at]?.get(thread) ?? 0));
      return { total: since.reduce((sum, ms) => sum + ms, 0), busiest: Math.max(0, ...since) };
    });
}

/** Processor time that processes have had so far, ms, with those of their children that have ended. */
export function usedSoFar(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [user, system, ofChildren, systemOfChildren] = times(`/proc/${pid}/stat`);
    return sum + (user + system + ofChildren + systemOfChildren) * tickMs;
  }, 0);
}

function threads(pid: number): Map<string, number> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const [user, system] = times(`/proc/${pid}/task/${thread}/stat`);
      return [thread, (user + system) * tickMs];
    }),
  );
}

/** utime, stime, cutime and cstime, in ticks. */
function times(path: string): [number, number, number, number] {
  const stat = readFileSync(path, 'latin1');
  // Behind the name, which may hold anything, they are the 12th to 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).map(Number) as [number, number, number, number];
}
