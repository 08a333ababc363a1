import { expect, test } from 'vitest';
import { chain, type Link, type Stage } from './stage.ts';

interface A {
  readonly a: number;
}
interface B {
  readonly b: number;
}
interface C {
  readonly c: number;
}

test('stages stand in the order of their types, and close in it', async () => {
  const happened: string[] = [];
  const first: Link<A, B> = (next) => ({
    take: ({ a }) => next.take({ b: a + 1 }),
    close: async () => void happened.push('first closed'),
  });
  const second: Link<B, C> = (next) => ({
    take: ({ b }) => next.take({ c: b * 2 }),
    close: async () => void happened.push('second closed'),
  });
  const last: Stage<C> = {
    take: async ({ c }) => void happened.push(`took ${c}`),
    close: async () => void happened.push('last closed'),
  };

  const stage = chain(first, second, last);
  await stage.take({ a: 1 });
  await stage.close();
  expect(happened).toEqual(['took 4', 'first closed', 'second closed', 'last closed']);

  // The compiler is the test here: each of these lines has to be an error.
  expect(() => {
    // @ts-expect-error what the second leaves, the first does not take
    chain(second, first, last);
    // @ts-expect-error a stage is missing
    chain(first, last);
    // @ts-expect-error the whole takes what its first stage takes
    const wrong: Stage<B> = chain(first, second, last);
    return wrong;
  }).not.toThrow();
});
