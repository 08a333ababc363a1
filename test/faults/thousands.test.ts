import { haveRedis } from '@postern/node/testing';
import { below } from '@postern/protocol/primitives';
import { SeededRandom, until } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { machine } from '../machine.ts';
import { watchProgress } from '../progress.ts';
import { type Cascade, type Store, sendNotes, startCascade } from './cascade.ts';
import { nodesOf, watchEvidence } from './evidence.ts';
import { judge, standstillMs } from './judge.ts';
import { type KillerOptions, killNodes } from './killer.ts';

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
  await using cascade = await startCascade(store);
  const { arrived } = cascade;
  const read = async () => cascade.net.describe();
  const random = new SeededRandom(`kills, ${store}`);
  const began = performance.now();
  using watch = watchProgress(arrived, standstillMs);
  const { signal } = watch;
  await using watchful = watchEvidence(() => nodesOf(cascade.net.describe()));
  const due = dueByArrivals(cascade, random.fork('due'));
  await using killer = killNodes({ read, random, due, before: watchful.look });
  await sendNotes(cascade, messages, signal);
  const all = async (): Promise<boolean> => (await arrived()) >= messages;
  await until(all, { what: 'every message has arrived', signal, deadlineMs: Number.POSITIVE_INFINITY });
  const seconds = (performance.now() - began) / 1_000;
  await killer.stop();

  const { figure, evidence, wrong } = await judge(cascade, messages, watchful);
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
function dueByArrivals({ arrived }: Cascade, random: SeededRandom): KillerOptions['due'] {
  return async (signal) => {
    const more = 1 + below(random, Math.round(2 * messagesPerKill));
    const before = await arrived();
    const enough = async (): Promise<boolean> => (await arrived()) >= before + more;
    await until(enough, { what: 'more have arrived', signal, deadlineMs: Number.POSITIVE_INFINITY });
  };
}
