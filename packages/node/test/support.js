import { hash } from 'node:crypto';
/** Chance that repeats from a seed. */
export function seeded(seed) {
  let counter = 0;
  return {
    bytes(length) {
      const blocks = [];
      for (let size = 0; size < length; size += 64)
        blocks.push(hash('sha512', `${seed}:${counter++}`, 'buffer'));
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}
/** A message of `length` octets in all, whose body is chance. */
export function message(random, length) {
  const header = Buffer.from('Subject: chance\r\n\r\n');
  return new Uint8Array(Buffer.concat([header, random.bytes(length - header.length)]));
}
export function fakeClock(startMs) {
  let now = startMs;
  const waits = new Set();
  return {
    now: () => now,
    wait(untilMs, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (untilMs <= now) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const stop = () => {
          waits.delete(entry);
          reject(signal?.reason);
        };
        const entry = {
          untilMs,
          wake() {
            signal?.removeEventListener('abort', stop);
            resolve();
          },
        };
        waits.add(entry);
        signal?.addEventListener('abort', stop, { once: true });
      });
    },
    async advance(ms) {
      const target = now + ms;
      for (;;) {
        const next = [...waits].sort((a, b) => a.untilMs - b.untilMs)[0];
        if (next === undefined || next.untilMs > target) break;
        now = Math.max(now, next.untilMs);
        waits.delete(next);
        next.wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
      now = target;
    },
  };
}
/** Resolves once `condition` holds; the test's own time limit ends it otherwise. */
export async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
//# sourceMappingURL=support.js.map
