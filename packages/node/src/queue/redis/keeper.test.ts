import { silentLog } from '@postern/runtime';
import { expect, test } from 'vitest';
import { redisFault } from './faults.ts';
import { createKeeper } from './keeper.ts';
import type { Session } from './session.ts';

/** Each time that a session is asked for is answered by the test. */
function openings() {
  const asked: PromiseWithResolvers<Session>[] = [];
  const wakes: (() => void)[] = [];
  return {
    open: () => {
      const one = Promise.withResolvers<Session>();
      asked.push(one);
      for (const wake of wakes.splice(0)) wake();
      return one.promise;
    },
    async nth(count: number): Promise<PromiseWithResolvers<Session>> {
      while (asked.length < count) await new Promise<void>((resolve) => wakes.push(resolve));
      return asked[count - 1] as PromiseWithResolvers<Session>;
    },
  };
}

function session(): { session: Session; end(): void } {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  return { session: { ended, close: async () => end() } as Session, end };
}

test('a session that is looked for again and again is kept; one whose keeper has given up is not', async () => {
  const { open, nth } = openings();
  const first = session();
  const making = createKeeper(open, silentLog);
  (await nth(1)).resolve(first.session);
  const keeper = await making;
  expect(keeper.isKept()).toBe(true);
  first.end();
  (await nth(2)).reject(redisFault('spool-io', 'it is away'));
  await nth(3);
  await expect(keeper.current()).rejects.toMatchObject({ code: 'spool-io' });
  expect(keeper.isKept()).toBe(true);
  keeper.condemn(redisFault('spool-lost', 'another is there'));
  expect(keeper.isKept()).toBe(false);
  (await nth(3)).reject(redisFault('spool-io', 'it is away'));
  await keeper.close();
});

test('an attempt that takes longer than one can is none', async () => {
  const { open, nth } = openings();
  const first = session();
  const making = createKeeper(open, silentLog, 0);
  (await nth(1)).resolve(first.session);
  const keeper = await making;
  expect(keeper.isKept()).toBe(true);
  first.end();
  const second = await nth(2);
  expect(keeper.isKept()).toBe(false);
  second.resolve(session().session);
  await second.promise;
  await new Promise((resolve) => setImmediate(resolve));
  expect(keeper.isKept()).toBe(true);
  await keeper.close();
});
