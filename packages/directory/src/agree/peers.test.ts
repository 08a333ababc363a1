import { authorityKey } from '@postern/protocol/consensus';
import { expect, test } from 'vitest';
import type { Answer } from '../ask.ts';
import { FakeClock } from '../testing/clock.ts';
import { shortKey } from './authorities.ts';
import type { Peer } from './members.ts';
import { createPeers } from './peers.ts';

const peerOf = (name: string): Peer => ({
  name,
  url: `http://${name}`,
  key: authorityKey(name, new Uint8Array(1_984)),
});

test('one that answers nothing is asked so much at most, and is sent what there is to say all the same', async () => {
  const asked: string[] = [];
  const clock = new FakeClock();
  await using peers = createPeers({
    others: [peerOf('hangs.test')],
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

test('what somebody else says at the URL of one of them is no answer of that one, and it is known who says it', async () => {
  const clock = new FakeClock();
  const [own, other] = [peerOf('one.test'), peerOf('other.test')];
  let given: Answer = { kind: 'unreachable', why: 'unreachable (ECONNREFUSED)' };
  await using peers = createPeers({
    others: [own],
    clock,
    timeoutMs: 1_000,
    retryMs: 100,
    exchange: () => Promise.resolve(given),
  });
  const answered = { kind: 'answer', status: 404, text: '', date: undefined } as const;
  const said = async (answer: Answer): Promise<[string, string | undefined]> => {
    given = answer;
    const { kind } = await peers.ask('one.test', '/question', { maxBytes: 1 });
    const { answeredMs, why } = peers.seen.get('one.test') ?? {};
    expect(answeredMs === undefined).toBe(why !== undefined);
    return [kind, why];
  };
  expect(await said(given)).toEqual(['unreachable', 'unreachable (ECONNREFUSED)']);
  const mistaken = `${shortKey(other.key)} answers there, and not ${shortKey(own.key)}: compare url and key`;
  expect(await said({ ...answered, by: shortKey(other.key) })).toEqual(['unreachable', mistaken]);
  expect(await said({ ...answered, by: shortKey(own.key) })).toEqual(['answer', undefined]);
  const nobody = 'what answers there is no authority (HTTP 404): compare the url';
  expect(await said(answered)).toEqual(['answer', nobody]);
});
