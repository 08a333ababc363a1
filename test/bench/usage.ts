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

function threads(pid: number): Map<string, number> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      // Behind the name, which may hold anything, utime and stime are the 12th and 13th.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [thread, (Number(fields[11]) + Number(fields[12])) * tickMs];
    }),
  );
}
