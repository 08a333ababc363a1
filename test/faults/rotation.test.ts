import { setTimeout as pause } from 'node:timers/promises';
import { uniform } from '@postern/protocol/primitives';
import { SeededRandom } from '@postern/testkit';
import { expect, test } from 'vitest';
import { machine } from '../machine.ts';
import { watchProgress } from '../progress.ts';
import { type Cascade, startCascade, width } from './cascade.ts';
import { nodesOf, watchEvidence } from './evidence.ts';
import { judge, standstillMs } from './judge.ts';

const epochs = Number(process.env.POSTERN_FAULT_ROTATIONS ?? 5);
const epochSeconds = 12;
/** On their way at the end of each epoch, at least. */
const underWay = 50;
/** Those that are handed over for that: one may be late on a machine that is busy. */
const handedOver = 54;
const hops = 3;
/** Ends of epochs at which there were too few, before the test gives up. */
const mostMisses = 20;
const spreadMs = 1_000;

test(`${underWay} messages on their way across each of ${epochs} ends of epochs arrive once each`, async () => {
  await using cascade = await startCascade('SQLite', {
    change: { authorities: 3, mixes: 6, epoch: `${epochSeconds}s` },
  });
  const random = new SeededRandom('rotation');
  using watch = watchProgress(cascade.arrived, standstillMs);
  await using watchful = watchEvidence(() => nodesOf(cascade.net.describe()));
  const began = performance.now();
  const crossed: number[] = [];
  let sent = 0;
  for (let misses = 0; crossed.length < epochs; ) {
    const endMs = endOfEpoch();
    await sendAcross(cascade, { from: sent, endMs, random, signal: watch.signal });
    sent += handedOver;
    await pause(Math.max(0, endMs - Date.now()), undefined, { signal: watch.signal });
    // what has not arrived at the end of the epoch is on its way across it
    const onTheirWay = Date.now() < endMs + spreadMs ? sent - (await cascade.arrivals()).numbers.size : 0;
    if (onTheirWay >= underWay) crossed.push(onTheirWay);
    else if (++misses > mostMisses) throw new Error('too few were on their way at the ends of epochs');
  }
  const { figure, wrong } = await judge(cascade, sent, watchful);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  const across = `${Math.min(...crossed)} or more across each of ${crossed.length} ends of epochs of ${epochSeconds} s`;
  process.stdout.write(`${figure} (${across}, three authorities; ${seconds} s; ${machine()})\n`);
  expect(wrong).toEqual([]);
});

function endOfEpoch(): number {
  const lengthMs = epochSeconds * 1_000;
  return (Math.floor(Date.now() / lengthMs) + 1) * lengthMs;
}

interface Across {
  /** The first one's number. */
  readonly from: number;
  /** When the epoch ends, milliseconds. */
  readonly endMs: number;
  readonly random: SeededRandom;
  readonly signal: AbortSignal;
}

/** Hands notes over which each stay at one hop, not the same for all, until a moment after the end of the epoch. */
async function sendAcross(cascade: Cascade, { from, endMs, random, signal }: Across): Promise<void> {
  let next = from;
  const author = async (): Promise<void> => {
    for (let number = next++; number < from + handedOver; number = next++) {
      const delays = Array.from({ length: hops }, () => 0);
      delays[number % hops] = Math.round(
        Math.max(0, endMs - Date.now()) + (0.5 + uniform(random)) * spreadMs,
      );
      await cascade.handOver(await cascade.pack(number, delays), { signal });
    }
  };
  await Promise.all(Array.from({ length: width }, author));
}
