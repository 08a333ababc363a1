/** What a worker and its supervisor both see, also while the worker is in the middle of a run. */
export class Shared {
  readonly buffer: SharedArrayBuffer;
  /** Of the run in hand: when it began, what the thread had used by then, and what it may take. */
  readonly #numbers: Float64Array;
  readonly #flags: Int32Array;
  readonly #input: Uint8Array;
  readonly #name: Uint8Array;
  #target = '';

  constructor(buffer = new SharedArrayBuffer(inputAt + mostInputBytes)) {
    this.buffer = buffer;
    this.#numbers = new Float64Array(buffer, 0, 3);
    this.#flags = new Int32Array(buffer, flagsAt, 2);
    this.#name = new Uint8Array(buffer, nameAt, mostNameBytes);
    this.#input = new Uint8Array(buffer, inputAt);
  }

  /** Puts down what is about to run, so that it can be told if it never ends. `usedMs`: of the processor, by this thread so far. */
  enter(
    run: { readonly target: string; readonly mostMs: number; readonly usedMs: number },
    input: Uint8Array,
  ): void {
    this.#input.set(input.subarray(0, mostInputBytes));
    if (run.target !== this.#target) {
      this.#target = run.target;
      this.#name.fill(0);
      this.#name.set(new TextEncoder().encode(run.target).subarray(0, mostNameBytes));
    }
    this.#flags[1] = input.length;
    this.#numbers[1] = run.usedMs;
    this.#numbers[2] = run.mostMs;
    this.#numbers[0] = nowMs();
  }

  leave(): void {
    this.#numbers[0] = 0;
  }

  /** The run in hand; nothing between two. */
  get inHand(): RunInHand | undefined {
    const [startedMs = 0, usedMs = 0, mostMs = 0] = this.#numbers;
    return startedMs === 0 ? undefined : { startedMs, usedMs, mostMs };
  }

  lastInput(): Uint8Array {
    return this.#input.slice(0, this.#flags[1]);
  }

  /** Nothing before the first run. */
  get lastTarget(): string | undefined {
    const name = Buffer.from(this.#name).toString('latin1').replace(/\0+$/, '');
    return name === '' ? undefined : name;
  }

  stop(): void {
    Atomics.store(this.#flags, 0, 1);
  }

  get stopped(): boolean {
    return Atomics.load(this.#flags, 0) !== 0;
  }
}

/** All in ms, by `nowMs`. */
export interface RunInHand {
  readonly startedMs: number;
  readonly usedMs: number;
  readonly mostMs: number;
}

/** One clock for all threads. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What this thread has used of the processor. */
export function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Longest input of any target. */
const mostInputBytes = 131_072;

const flagsAt = 24;
const nameAt = 32;
const mostNameBytes = 64;
const inputAt = nameAt + mostNameBytes;
