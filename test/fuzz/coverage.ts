import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { countersName, instrument } from './instrument.ts';

/** A place in the code and how often one run came through it, in steps: 1, 2, 3, 4 to 7, … */
export type Feature = number;

/** Counts where runs come through. What is loaded after `begin` counts; nothing does without it. */
export class Coverage {
  readonly #counters = new Uint8Array(mostCounters);
  readonly #words = new Uint32Array(this.#counters.buffer);
  /** For each counter the steps that some run has reached, a bit each. */
  readonly #reached = new Uint8Array(mostCounters);
  readonly #modules: Module[] = [];
  #used = 0;
  /** Features that some run has reached. */
  features = 0;

  /** Instruments the modules that the predicate names as they are loaded by this thread. */
  begin(isWanted: (path: string) => boolean): void {
    Object.assign(globalThis, { [countersName]: this.#counters });
    registerHooks({
      load: (url, context, next) => {
        const loaded = next(url, context);
        const path = url.startsWith('file:') ? fileURLToPath(url) : '';
        if (loaded.source == null || loaded.format === 'json' || !isWanted(path)) return loaded;
        return { ...loaded, source: this.#instrumented(path, Buffer.from(loaded.source as Uint8Array)) };
      },
    });
  }

  /** Before a run. */
  clear(): void {
    this.#words.fill(0, 0, this.#usedWords());
  }

  /** All features of the last run. */
  ofRun(): Feature[] {
    const found: Feature[] = [];
    for (let word = 0; word < this.#usedWords(); word++) {
      if (this.#words[word] === 0) continue;
      for (let at = 4 * word; at < 4 * word + 4; at++) {
        const count = this.#counters[at] ?? 0;
        if (count > 0) found.push(8 * at + step(count));
      }
    }
    return found;
  }

  /** Whether the last run has reached what none before it did. Remembers it. */
  isNew(): boolean {
    let any = false;
    for (let word = 0; word < this.#usedWords(); word++) {
      if (this.#words[word] === 0) continue;
      for (let at = 4 * word; at < 4 * word + 4; at++) {
        const bit = this.#counters[at] === 0 ? 0 : 1 << step(this.#counters[at] ?? 0);
        const before = this.#reached[at] ?? 0;
        if ((before & bit) !== bit) {
          this.#reached[at] = before | bit;
          this.features++;
          any = true;
        }
      }
    }
    return any;
  }

  /** String literals of the modules in which these features lie. */
  literalsAround(features: Iterable<Feature>): Set<string> {
    const counters = new Set([...features].map((feature) => feature >> 3));
    const around = this.#modules.filter(({ from, to }) =>
      counters.values().some((at) => at >= from && at < to),
    );
    return new Set(around.flatMap(({ literals }) => literals));
  }

  #instrumented(path: string, source: Buffer): string {
    const { text, count, literals } = instrument(path, source.toString(), this.#used);
    if (this.#used + count > mostCounters)
      throw new RangeError(`more than ${mostCounters} places to count at`);
    this.#modules.push({ from: this.#used, to: this.#used + count, literals });
    this.#used += count;
    return text;
  }

  #usedWords(): number {
    return Math.ceil(this.#used / 4);
  }
}

interface Module {
  readonly from: number;
  readonly to: number;
  readonly literals: readonly string[];
}

const mostCounters = 131_072;

/** The counter wraps round at 256, which is as good as any other number of times. */
function step(count: number): number {
  if (count <= 3) return count - 1;
  if (count < 8) return 3;
  if (count < 16) return 4;
  if (count < 32) return 5;
  return count < 128 ? 6 : 7;
}
