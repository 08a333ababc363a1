import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { FakeClock } from './fake-clock.ts';

describe('a fake clock', () => {
  test('stands still while real time goes on', async () => {
    const clock = new FakeClock({ startMs: 1_000 });
    await turn();
    expect(clock.now()).toBe(1_000);
  });

  test('ends waits in the order of their times, and shows each one its own time', async () => {
    const clock = new FakeClock({ startMs: 0 });
    const ended: [string, number][] = [];
    const wait = async (name: string, until: number): Promise<void> => {
      await clock.wait(until);
      ended.push([name, clock.now()]);
    };
    const all = Promise.all([wait('late', 30), wait('first', 10), wait('second', 10), wait('middle', 20)]);
    await clock.advanceTo(40);
    await all;
    expect(ended).toEqual([
      ['first', 10],
      ['second', 10],
      ['middle', 20],
      ['late', 30],
    ]);
    expect(clock.now()).toBe(40);
  });

  test('goes through waits that begin on the way', async () => {
    const clock = new FakeClock({ startMs: 0 });
    const ticks: number[] = [];
    const ticking = (async () => {
      while (ticks.length < 5) {
        await clock.wait(clock.now() + 7);
        ticks.push(clock.now());
      }
    })();
    await clock.advanceBy(35);
    await ticking;
    expect(ticks).toEqual([7, 14, 21, 28, 35]);
  });

  test('goes no further than asked', async () => {
    const clock = new FakeClock({ startMs: 0 });
    let ended = false;
    const waiting = clock.wait(11).then(() => {
      ended = true;
    });
    await clock.advanceTo(10);
    expect(ended).toBe(false);
    expect(clock.next).toBe(11);
    await clock.advanceTo(11);
    await waiting;
    expect(clock.next).toBeUndefined();
  });

  test('lets what a wait sets off come to rest before the next one ends', async () => {
    const order: string[] = [];
    const settle = async (): Promise<void> => {
      await turn();
      order.push('rest');
    };
    const clock = new FakeClock({ startMs: 0, settle });
    const all = Promise.all([
      clock.wait(1).then(() => order.push('one')),
      clock.wait(2).then(() => order.push('two')),
    ]);
    await clock.advanceTo(2);
    await all;
    expect(order).toEqual(['rest', 'one', 'rest', 'two', 'rest']);
  });

  test('rejects an aborted wait with an AbortError and forgets it', async () => {
    const clock = new FakeClock({ startMs: 0 });
    const stop = new AbortController();
    const waiting = clock.wait(5, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(clock.waiting).toBe(0);
    await expect(clock.wait(0, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('resolves at once what is past', async () => {
    const clock = new FakeClock({ startMs: 5 });
    await clock.wait(5);
    await clock.wait(-1);
    expect(clock.waiting).toBe(0);
  });
});
