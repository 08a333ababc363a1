import { expect, test } from 'vitest';
import { freeMemory } from './handed-over.ts';

test('what nobody reads any more is given back, what is a part of something is not', () => {
  const whole = new Uint8Array(8);
  freeMemory(whole);
  expect(whole.buffer.detached).toBe(true);
  freeMemory(whole);
  const part = new Uint8Array(8).subarray(2, 6);
  freeMemory(part);
  expect(part.buffer.detached).toBe(false);
});
