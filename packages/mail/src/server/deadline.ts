/** One timer that can be set anew. Holds no process open. */
export class Deadline {
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(expired: () => void) {
    this.#expired = expired;
  }

  set(ms: number): void {
    this.clear();
    this.#timer = setTimeout(this.#expired, ms).unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
