import { createSlots } from '../../slots.ts';

/** Runs work, so much at one time, and lets so much wait in line; the rest is turned away with nothing. */
export interface Bounded {
  run<T>(work: () => Promise<T>): Promise<T | undefined>;
}

export function bounded({ atOnce, inLine }: { atOnce: number; inLine: number }): Bounded {
  const slots = createSlots(atOnce);
  let here = 0;
  return {
    async run(work) {
      if (here >= atOnce + inLine) return undefined;
      here += 1;
      await slots.enter();
      try {
        return await work();
      } finally {
        slots.leave();
        here -= 1;
      }
    },
  };
}
