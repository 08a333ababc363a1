import { below } from '@postern/protocol/primitives';
import { SeededRandom, until } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { haveRedis } from '../redis.ts';
import { type Chain, type Store, sendNotes, startChain } from './chain.ts';
import { watchEvidence } from './evidence.ts';
import { judge, stallMs } from './judge.ts';
import { type KillerOptions, killNodes } from './killer.ts';
import { machine } from './machine.ts';
import { watchForStall } from './stall.ts';

const messages = Number(process.env.POSTERN_FAULT_MESSAGES ?? 300);
/**
 * Messages that arrive between one kill and the next, on average: a slow machine kills no more often than it gets on. More of them where
 * there are many, of which each kill holds up some.
 */
const messagesPerKill = Math.max(30, messages / 60);
/** What a gateway delivers at one time, and may deliver again after it was killed. */
const inHand = 2;

describe(`${messages} messages arrive once each while mixes and the gateway are killed`, () => {
  test('spools in SQLite', async () => {
    expect(await sendAll('SQLite')).toEqual([]);
  });

  test.skipIf(!haveRedis)('spools in Redis', async () => {
    expect(await sendAll('Redis')).toEqual([]);
  });
});

/** What was wrong in the end. */
async function sendAll(store: Store): Promise<string[]> {
  await using chain = await startChain(store);
  const { arrived } = chain;
  const read = async () => chain.net.describe();
  const random = new SeededRandom(`kills, ${store}`);
  const began = performance.now();
  using watch = watchForStall(arrived, stallMs);
  const { signal } = watch;
  await using killer = killNodes({ read, random, due: dueByArrivals(chain, random.fork('due')) });
  await using watchful = watchEvidence(read);
  await sendNotes(chain, messages, signal);
  const all = async (): Promise<boolean> => (await arrived()) >= messages;
  await until(all, { what: 'every message has arrived', signal, deadlineMs: Number.POSITIVE_INFINITY });
  const seconds = (performance.now() - began) / 1_000;
  await killer.stop();

  const { figure, evidence, wrong } = await judge(chain, messages, watchful);
  const { copies, deliveries } = evidence;
  const { mix, delivery } = killer.kills;
  const killed = `${mix} times a mix and ${delivery} times the gateway killed`;
  const removed = `at least ${copies.replayed} copies removed by mixes and ${copies.duplicate} by the gateway`;
  const rate = `${seconds.toFixed(0)} s, ${(messages / seconds).toFixed(0)}/s`;
  process.stdout.write(`${figure} (${store}; ${killed}, ${removed}, ${rate}; ${machine()})\n`);
  return [
    ...wrong,
    ...(deliveries > messages + delivery * inHand ? [`${deliveries} deliveries`] : []),
    // The fault was there all the time, for both roles.
    ...(mix + delivery < messages / messagesPerKill / 4 || mix === 0 || delivery === 0 ? [killed] : []),
  ];
}

/** The next kill is due once so many messages more have arrived as chance says. */
function dueByArrivals({ arrived }: Chain, random: SeededRandom): KillerOptions['due'] {
  return async (signal) => {
    const more = 1 + below(random, Math.round(2 * messagesPerKill));
    const before = await arrived();
    const enough = async (): Promise<boolean> => (await arrived()) >= before + more;
    await until(enough, { what: 'more have arrived', signal, deadlineMs: Number.POSITIVE_INFINITY });
  };
}
