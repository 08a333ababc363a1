/** A number of places that work at one time; who finds none waits in line. */
export interface Slots {
  /** Resolves with a place. */
  enter(): Promise<void>;
  leave(): void;
  /** Resolves once nobody is inside. */
  empty(): Promise<void>;
}

export function createSlots(count: number): Slots {
  let inside = 0;
  const line: (() => void)[] = [];
  const idle: (() => void)[] = [];
  return {
    enter() {
      if (inside < count) {
        inside++;
        return Promise.resolve();
      }
      return new Promise((resolve) => line.push(resolve));
    },
    leave() {
      const next = line.shift();
      if (next !== undefined) return next();
      inside--;
      if (inside === 0) for (const wake of idle.splice(0)) wake();
    },
    empty: () => (inside === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
