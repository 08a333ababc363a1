import { expect, test } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { createPeers } from './peers.ts';

test('one that answers nothing is asked so much at most, and is sent what there is to say all the same', async () => {
  const asked: string[] = [];
  const clock = new FakeClock();
  await using peers = createPeers({
    others: [{ name: 'hangs.test', url: 'http://hangs.test' }],
    clock,
    timeoutMs: 1_000,
    retryMs: 100,
    exchange(url, { signal }) {
      asked.push(new URL(url).pathname);
      return new Promise((_, reject) =>
        signal?.addEventListener('abort', () => reject(new Error('ended')), { once: true }),
      );
    },
  });
  const answers: string[] = [];
  for (let at = 0; at < 100; at++)
    void peers.ask('hangs.test', '/question', { maxBytes: 1 }).then(({ kind }) => answers.push(kind));
  peers.push('/ballot', 'x', { fromMs: clock.now(), untilMs: clock.now() + 1_000, signedBy: [] });
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked.filter((path) => path === '/question')).toHaveLength(8);
  expect(asked).toContain('/ballot');
  // eight are asked, sixty-four wait
  expect(answers).toEqual(Array.from({ length: 28 }, () => 'unreachable'));
});
