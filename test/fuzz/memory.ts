import { nowMs } from './shared.ts';

/** What the process and its threads take up, over the time of a run. */
export class Memory {
  readonly #started = nowMs();
  /** Bytes resident at the beginning of each minute but the first, in which code and keys are loaded. */
  readonly minutes: number[] = [];
  resident = 0;

  sample(): void {
    this.resident = process.memoryUsage.rss();
    if (nowMs() - this.#started >= (this.minutes.length + 1) * 60_000) this.minutes.push(this.resident);
  }

  /** A sentence for each thing that has grown: `heaps` are those of each worker after collections, in order. */
  judge(heaps: readonly (readonly number[])[]): string[] {
    const grown = heaps.flatMap((heap) => {
      // A third of the time to warm up in: compiled code and caches have their bounds.
      const warm = heap.slice(0, Math.ceil(heap.length / 3));
      const [last = 0] = heap.slice(-1);
      const before = Math.max(...warm);
      return heap.length >= leastSamples && last > before + mostHeapGrowth
        ? [`a heap grew from ${mebibytes(before)} to ${mebibytes(last)}`]
        : [];
    });
    const [first] = this.minutes;
    const last = this.minutes.at(-1) ?? 0;
    if (first !== undefined && last > first * 1.5 + mostHeapGrowth)
      grown.push(`resident memory grew from ${mebibytes(first)} to ${mebibytes(last)}`);
    return grown;
  }
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

/** One every ten seconds. */
const leastSamples = 6;
const mostHeapGrowth = 32 * 2 ** 20;
