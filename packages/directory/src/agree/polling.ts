/** Questions to the others that are put again and again. */
export interface Polling {
  /** Asks each of them whose last answer has come and who was not asked of late. */
  poll(nowMs: number): void;
}

/** `ask` puts one question; `restMs` is how soon it is put again at the earliest. However often `poll` is called, one question to each is under way at a time. */
export function createPolling(
  names: readonly string[],
  restMs: number,
  ask: (name: string) => Promise<void>,
  failed: (error: unknown) => void,
): Polling {
  const underWay = new Set<string>();
  const askedMs = new Map<string, number>();
  return {
    poll(nowMs) {
      for (const name of names) {
        const before = askedMs.get(name) ?? Number.NEGATIVE_INFINITY;
        // the clock may have been set back
        const isOfLate = before <= nowMs && nowMs < before + restMs;
        if (underWay.has(name) || isOfLate) continue;
        underWay.add(name);
        askedMs.set(name, nowMs);
        void ask(name)
          .catch(failed)
          .finally(() => underWay.delete(name));
      }
    },
  };
}
