import type { Coverage, Feature } from './coverage.ts';
import { type Material, mutate } from './mutate.ts';
import { type Chance, chance } from './random.ts';
import { type Shared, threadMs } from './shared.ts';
import { defaultMaxBytes, defaultMostMs, type Target } from './target.ts';

/** What went wrong in one run. */
export interface Fault {
  readonly target: string;
  /** `hang`: longer than it may; `crash`: it threw, or ended its thread. */
  readonly kind: 'crash' | 'hang';
  readonly detail: string;
  readonly input: Uint8Array;
}

/** What became of one target so far. */
export interface Tally {
  readonly executions: number;
  /** Of these, of mutations: the others are of what is given, and of what a fault is made shorter by. */
  readonly mutations: number;
  readonly inputs: number;
  readonly features: number;
  /** Of one run: time of the processor, which does not depend on what else the machine does. */
  readonly slowestMs: number;
  /** Bytes that its inputs and their features take up, which grow by design. */
  readonly heldBytes: number;
}

interface Entry {
  readonly input: Uint8Array;
  /** A seed is made anew each time, and a file is there already. */
  readonly given: boolean;
  readonly features: readonly Feature[];
}

/** The fuzzing of one target: inputs that reached something new, and mutations of them. */
export class Campaign {
  readonly target: Target;
  readonly #shared: Shared;
  readonly #coverage: Coverage | undefined;
  readonly #random: Chance;
  readonly #maxBytes: number;
  readonly #found: (fault: Fault) => void;
  readonly #led: (input: Uint8Array) => void;
  readonly #faults = new Set<string>();
  #pool: Entry[] = [];
  #tokens: readonly Uint8Array[];
  #executions = 0;
  #mutations = 0;
  #slowestMs = 0;
  #lastMs = 0;
  #heldBytes = 0;
  #features = 0;

  constructor(p: {
    target: Target;
    seed: string;
    shared: Shared;
    coverage: Coverage | undefined;
    found: (fault: Fault) => void;
    /** Told of each input that has reached something new. */
    led: (input: Uint8Array) => void;
  }) {
    this.target = p.target;
    this.#shared = p.shared;
    this.#coverage = p.coverage;
    this.#random = chance(`${p.seed} ${p.target.name}`);
    this.#maxBytes = p.target.maxBytes ?? defaultMaxBytes;
    this.#found = p.found;
    this.#led = p.led;
    this.#tokens = (p.target.tokens ?? []).map(octets);
  }

  /** Runs every seed, every file and what was kept once. */
  async begin(corpus: readonly Uint8Array[], kept: readonly Uint8Array[]): Promise<void> {
    const seeds = await this.target.seeds();
    const given = [...seeds, ...corpus].map((input) => ({ input, given: true }));
    for (const one of [...given, ...kept.map((input) => ({ input, given: false }))])
      if (!this.#shared.stopped) await this.#try(one.input, one.given);
    if (this.#coverage === undefined) return;
    const literals = this.#coverage.literalsAround(this.#pool.flatMap(({ features }) => features));
    this.#tokens = [...this.#tokens, ...literals.values().map(octets)];
  }

  /** Tries mutations until `isOver`, which is asked before each. */
  async mutateUntil(isOver: () => boolean): Promise<void> {
    const small: Material = {
      tokens: this.#tokens,
      other: () => this.#choose().input,
      maxBytes: Math.min(this.#maxBytes, smallBytes),
    };
    const large = { ...small, maxBytes: this.#maxBytes };
    while (!isOver()) {
      const material = this.#random.below(8) === 0 ? large : small;
      this.#mutations++;
      await this.#try(mutate(this.#choose().input, material, this.#random), false);
    }
  }

  get tally(): Tally {
    return {
      executions: this.#executions,
      mutations: this.#mutations,
      inputs: this.#pool.length,
      features: this.#features,
      slowestMs: this.#slowestMs,
      heldBytes: this.#heldBytes,
    };
  }

  /** Few inputs that together come to all places that nothing given comes to: the shortest first. */
  essence(): Uint8Array[] {
    const reached = new Set<number>();
    const isNew = ({ features }: Entry): boolean => {
      const before = reached.size;
      for (const feature of features) reached.add(feature >> 3);
      return reached.size > before;
    };
    const inOrder = this.#pool.toSorted(
      (one, other) => Number(other.given) - Number(one.given) || one.input.length - other.input.length,
    );
    return inOrder.filter((entry) => isNew(entry) && !entry.given).map(({ input }) => input);
  }

  /** The newest inputs are the likeliest to lead on. */
  #choose(): Entry {
    const recent = this.#random.below(2) === 0 ? Math.min(this.#pool.length, 16) : this.#pool.length;
    const at = this.#pool.length - 1 - this.#random.below(Math.max(1, recent));
    return this.#pool[at] ?? { input: new Uint8Array(), given: true, features: [] };
  }

  async #try(input: Uint8Array, given: boolean): Promise<void> {
    this.#coverage?.clear();
    const slowest = this.#slowestMs;
    const fault = await this.#run(input);
    if (fault !== undefined) await this.#report(input, fault);
    const { features: before = 0 } = this.#coverage ?? {};
    // What takes far longer than anything before it leads on to what takes too long.
    const isSlower = this.#coverage !== undefined && this.#lastMs > Math.max(1.5 * slowest, slowMs);
    if (this.#coverage?.isNew() === true || isSlower || given) {
      this.#features += (this.#coverage?.features ?? 0) - before;
      this.#add({ input, given, features: this.#coverage?.ofRun() ?? [] });
      if (!given) this.#led(input);
    }
  }

  #add(entry: Entry): void {
    this.#pool.push(entry);
    this.#heldBytes += entry.input.length + 8 * entry.features.length;
  }

  /** What it throws; nothing when all properties hold. */
  async #run(input: Uint8Array): Promise<unknown> {
    this.#executions++;
    const { name: target, mostMs = defaultMostMs } = this.target;
    const usedMs = threadMs();
    this.#shared.enter({ target, mostMs, usedMs }, input);
    try {
      const running = this.target.run(input);
      if (running !== undefined) await running;
      return undefined;
    } catch (fault) {
      return fault ?? new Error('nothing was thrown');
    } finally {
      this.#shared.leave();
      this.#lastMs = threadMs() - usedMs;
      this.#slowestMs = Math.max(this.#slowestMs, this.#lastMs);
    }
  }

  /** Each fault once, by the shortest input that shows it. */
  async #report(input: Uint8Array, fault: unknown): Promise<void> {
    const mark = markOf(fault);
    if (this.#faults.has(mark)) return;
    this.#faults.add(mark);
    const shortest = await this.#shorten(input, async (shorter) => {
      const other = await this.#run(shorter);
      return other !== undefined && markOf(other) === mark;
    });
    const detail = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    this.#found({ target: this.target.name, kind: 'crash', detail, input: shortest });
  }

  /** Leaves stretches out, ever shorter ones, as long as the rest still does. */
  async #shorten(input: Uint8Array, does: (shorter: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
    let shortest = input;
    let tries = 0;
    for (let width = input.length >> 1; width > 0; width >>= 1) {
      for (let at = 0; at < shortest.length && tries < mostTries && !this.#shared.stopped; ) {
        const shorter = Uint8Array.from([...shortest.subarray(0, at), ...shortest.subarray(at + width)]);
        tries++;
        if (await does(shorter)) shortest = shorter;
        else at += width;
      }
    }
    return shortest;
  }
}

/** Two faults with one mark are one: the same kind, thrown at the same place. */
function markOf(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  const place = fault.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
  return `${fault.name} ${place === '' ? fault.message : place} ${fault.name === 'Broken' ? fault.message : ''}`;
}

function octets(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

/** Most inputs are no longer: many short ones find more than a few long ones, which are for what takes too long. */
const smallBytes = 4_096;
const slowMs = 5;
const mostTries = 2_000;
