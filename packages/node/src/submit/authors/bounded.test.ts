import { expect, test } from 'vitest';
import { bounded } from './bounded.ts';

test('so much at one time, so much in line, and the rest is turned away', async () => {
  const desk = bounded({ atOnce: 2, inLine: 1 });
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<number>());
  const begun: number[] = [];
  const results = gates.map(({ promise }, at) =>
    desk.run(() => {
      begun.push(at);
      return promise;
    }),
  );
  expect(await results[3]).toBeUndefined();
  expect(begun).toEqual([0, 1]);
  gates[1]?.reject(new Error('no'));
  await expect(results[1]).rejects.toThrow('no');
  gates[2]?.resolve(2);
  expect(await results[2]).toBe(2);
  gates[0]?.resolve(0);
  expect(await results[0]).toBe(0);
  expect(await desk.run(async () => 'again')).toBe('again');
});
