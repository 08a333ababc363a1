import { setTimeout as pause } from 'node:timers/promises';
import { type Consensus, epochAt } from '@postern/protocol/consensus';
import { uniform } from '@postern/protocol/primitives';
import { SeededRandom, until } from '@postern/testkit';
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
const mixes = 6;
/** Ends of epochs at which there were too few, before the test gives up. */
const mostMisses = 20;
const spreadMs = 1_000;

test(`${underWay} messages on their way across each of ${epochs} ends of epochs, at which keys and layers change, arrive once each`, async () => {
  await using cascade = await startCascade('SQLite', {
    change: { authorities: 3, mixes, epoch: `${epochSeconds}s` },
  });
  const random = new SeededRandom('rotation');
  using watch = watchProgress(cascade.arrived, standstillMs);
  await using watchful = watchEvidence(() => nodesOf(cascade.net.describe()));
  const began = performance.now();
  const crossed: number[] = [];
  const turns: Turn[] = [];
  let [sent, misses] = [0, 0];
  while (crossed.length < epochs) {
    const before = await inUse(cascade, epochAt(Date.now() / 1_000, epochSeconds));
    const endMs = (before.epoch + 1) * epochSeconds * 1_000;
    const turning = turnAt(endMs, before, cascade);
    turning.catch(() => undefined); // awaited below
    await sendAcross(cascade, { from: sent, endMs, random, signal: watch.signal });
    sent += handedOver;
    await pause(Math.max(0, endMs - Date.now()), undefined, { signal: watch.signal });
    // what has not arrived at the end of the epoch is on its way across it
    const onTheirWay = Date.now() < endMs + spreadMs ? sent - (await cascade.arrivals()).numbers.size : 0;
    if (onTheirWay >= underWay) crossed.push(onTheirWay);
    else if (++misses > mostMisses) throw new Error('too few were on their way at the ends of epochs');
    turns.push(await turning);
  }
  const { figure, wrong } = await judge(cascade, sent, watchful);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  const across = `${Math.min(...crossed)} or more across each of ${crossed.length} ends of epochs of ${epochSeconds} s, fewer across ${misses}`;
  const moved = turns.reduce((sum, turn) => sum + turn.moved, 0);
  process.stdout.write(
    `${figure} (${across}; ${moved} changes of layer; three authorities; ${seconds} s; ${machine()})\n`,
  );
  expect(wrong).toEqual([]);
  expect(turns.map(({ epochs, newKeys }) => ({ epochs, newKeys }))).toEqual(
    turns.map(() => ({ epochs: 1, newKeys: mixes })),
  );
  expect(moved).toBeGreaterThan(0);
});

/** What the end of an epoch has changed. */
interface Turn {
  readonly epochs: number;
  /** Mixes that have another key, and that have another layer. */
  readonly newKeys: number;
  readonly moved: number;
}

/** Looks what is other than before once an epoch has ended. */
async function turnAt(endMs: number, before: Consensus, cascade: Cascade): Promise<Turn> {
  await pause(Math.max(0, endMs - Date.now()));
  const after = await inUse(cascade, before.epoch + 1);
  const both = after.nodes.flatMap((node) => {
    const known = before.nodes.find(({ id }) => id === node.id);
    return known === undefined || known.layer === 0 || node.layer === 0 ? [] : [[known, node] as const];
  });
  return {
    epochs: after.epoch - before.epoch,
    newKeys: both.filter(([known, node]) => known.mixKey !== node.mixKey).length,
    moved: both.filter(([known, node]) => known.layer !== node.layer).length,
  };
}

/** The consensus by which packets are made in an epoch, once it is. */
function inUse(cascade: Cascade, epoch: number): Promise<Consensus> {
  const look = async (): Promise<Consensus | false> => {
    const consensus = await cascade.consensus();
    return consensus.epoch >= epoch && consensus;
  };
  return until(look, { what: `packets are made by the consensus of epoch ${epoch}` });
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
