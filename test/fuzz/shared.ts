/** What a worker and its supervisor both see, also while the worker is in the middle of a run. */
export class Shared {
  readonly buffer: SharedArrayBuffer;
  readonly #startedMs: Float64Array;
  readonly #flags: Int32Array;
  readonly #input: Uint8Array;
  readonly #name: Uint8Array;
  #target = '';

  constructor(buffer = new SharedArrayBuffer(inputAt + mostInputBytes)) {
    this.buffer = buffer;
    this.#startedMs = new Float64Array(buffer, 0, 1);
    this.#flags = new Int32Array(buffer, flagsAt, 3);
    this.#name = new Uint8Array(buffer, nameAt, mostNameBytes);
    this.#input = new Uint8Array(buffer, inputAt);
  }

  /** Puts down what is about to run, so that it can be told if it never ends. */
  enter(target: string, mostMs: number, input: Uint8Array): void {
    this.#input.set(input.subarray(0, mostInputBytes));
    if (target !== this.#target) {
      this.#target = target;
      this.#name.fill(0);
      this.#name.set(new TextEncoder().encode(target).subarray(0, mostNameBytes));
    }
    this.#flags[1] = input.length;
    this.#flags[2] = mostMs;
    this.#startedMs[0] = nowMs();
  }

  leave(): void {
    this.#startedMs[0] = 0;
  }

  /** Whether the run in hand has taken longer than it may. */
  get isLate(): boolean {
    const started = this.#startedMs[0] ?? 0;
    return started !== 0 && nowMs() - started > (this.#flags[2] ?? 0);
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

/** One clock for all threads. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Longest input of any target. */
const mostInputBytes = 131_072;

const flagsAt = 8;
const nameAt = 24;
const mostNameBytes = 64;
const inputAt = nameAt + mostNameBytes;
