/**
 * Counts failures by key. One counts until none has come for `windowMs`. Remembers at most `maxEntries` keys: who can
 * bring along more than that many makes it forget, oldest first, and never costs more memory.
 */
export class Failures {
  readonly #windowMs: number;
  readonly #maxEntries: number;
  readonly #now: () => number;
  /** Those that failed longest ago first. */
  readonly #entries: Map<string, { count: number; until: number }> = new Map();

  constructor(options: { windowMs: number; maxEntries: number; now: () => number }) {
    this.#windowMs = options.windowMs;
    this.#maxEntries = options.maxEntries;
    this.#now = options.now;
  }

  count(key: string): number {
    const entry = this.#entries.get(key);
    if (entry === undefined) return 0;
    if (entry.until > this.#now()) return entry.count;
    this.#entries.delete(key);
    return 0;
  }

  add(key: string): void {
    const count = this.count(key) + 1;
    this.#entries.delete(key);
    this.#entries.set(key, { count, until: this.#now() + this.#windowMs });
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value ?? key);
  }

  /** Keys in memory. */
  get size(): number {
    return this.#entries.size;
  }
}

/** So many of a key at the same time. Holds those that are there, and nothing else. */
export class Pending {
  readonly #counts: Map<string, number> = new Map();

  count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  enter(key: string): void {
    this.#counts.set(key, this.count(key) + 1);
  }

  leave(key: string): void {
    const count = this.count(key) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}

/** The last so many keys that were added. */
export class Recent {
  readonly #maxEntries: number;
  readonly #keys: Set<string> = new Set();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.delete(key);
    this.#keys.add(key);
    if (this.#keys.size > this.#maxEntries) this.#keys.delete(this.#keys.keys().next().value ?? key);
  }
}
