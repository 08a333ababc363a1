import { expect, test } from 'vitest';
import { createPolling } from './polling.ts';

test('each is asked once at a time, and not before a rest, however often somebody wants it', async () => {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const faults: unknown[] = [];
  const ask = (name: string): Promise<void> => {
    asked.push(name);
    if (name === 'hangs') return new Promise((resolve) => waiting.push(resolve));
    return asked.length > 3 ? Promise.reject(new Error('no')) : Promise.resolve();
  };
  const polling = createPolling(['hangs', 'answers'], 10, ask, (error) => faults.push(error));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (const nowMs of [100, 100, 105, 110, 120]) {
    polling.poll(nowMs);
    await turn();
  }
  expect(asked).toEqual(['hangs', 'answers', 'answers', 'answers']);
  expect(faults).toHaveLength(1);
  waiting[0]?.();
  await turn();
  // the clock was set back
  polling.poll(50);
  expect(asked.slice(4)).toEqual(['hangs', 'answers']);
});
