import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { SeededRandom, until } from '@postern/testkit';
import { expect, onTestFailed, test } from 'vitest';
import { machine } from '../machine.ts';
import { watchProgress } from '../progress.ts';
import { countFiles, inSpools, tally } from './arrivals.ts';
import { judgeFirsts, nodesOf, watchEvidence } from './evidence.ts';
import { killNodes } from './killer.ts';
import { spawnTestnet } from './network.ts';
import { sendAll } from './send.ts';
import { parcels } from './traffic.ts';

const messages = Number(process.env.POSTERN_FAULT_PARCELS ?? 60);
const killEveryMs = 2_000;
/** What has not moved for so long does not come. */
const standstillMs = 300_000;
/** What a gateway delivers at one time, and may deliver again after it was killed. */
const inHand = 2;

test(`${messages} messages arrive once each, byte for byte, while mixes and gateways are killed`, async () => {
  const random = new SeededRandom('killed nodes');
  await using testnet = await spawnTestnet();
  onTestFailed(() => void process.stdout.write(`what was there lies in ${testnet.dir}\n`));

  const traffic = parcels(messages, testnet.people, random);
  const began = performance.now();
  using watch = watchProgress(() => countFiles(testnet.people), standstillMs);
  const { signal } = watch;
  const due = (until: AbortSignal): Promise<unknown> => pause(killEveryMs, undefined, { signal: until });
  await using watchful = watchEvidence(async () => nodesOf(await testnet.read()));
  const kills = { read: testnet.read, random: random.fork('kills'), due, before: watchful.look };
  await using killer = killNodes(kills);
  const { packets, remarks } = await sendAll(traffic, random, signal);
  const all = async (): Promise<boolean> => (await countFiles(testnet.people)) >= messages;
  const waiting = { what: 'every message has arrived', signal, deadlineMs: Number.POSITIVE_INFINITY };
  const complete = await until(all, waiting).catch(String);
  const seconds = (performance.now() - began) / 1_000;
  await killer.stop();

  // Late copies are still somewhere, if there are any.
  const empty = async (): Promise<boolean> => (await inSpools(await testnet.read()).catch(() => 1)) === 0;
  const left = await until(empty, { what: 'every spool is empty', deadlineMs: standstillMs }).catch(String);
  const { firsts, deliveries, copies, givenUp } = await watchful.stop();
  const { delivered, duplicates, lost, wrong } = await tally(traffic, testnet.people, random);
  const ended = await testnet.stop();

  const figure = `sent ${messages}, delivered ${delivered}, duplicates ${duplicates}, lost ${lost}`;
  const { mix, delivery } = killer.kills;
  const killed = `${mix} times a mix and ${delivery} times a gateway killed`;
  const removed = `at least ${copies.replayed} copies removed by mixes and ${copies.duplicate} by gateways`;
  const { counted, wrong: miscounted } = judgeFirsts(firsts, packets);
  const how = `${counted}, ${killed}, ${removed}, ${seconds.toFixed(0)} s; ${machine()}`;
  process.stdout.write(`${figure} (${how})\n`);
  expect({ delivered, duplicates, lost, wrong, givenUp, complete, left, ended, remarks }).toEqual({
    delivered: messages,
    duplicates: 0,
    lost: 0,
    wrong: [],
    givenUp: {},
    complete: true,
    left: true,
    ended: 'exit 0',
    // For whoever looks into a failure.
    remarks: expect.any(Array),
  });
  // A Maildir shows no copy, since its gateway removes them: the nodes tell whether one passed for new.
  expect(miscounted).toEqual([]);
  expect(firsts.messages).toBeLessThanOrEqual(messages);
  expect(deliveries).toBeLessThanOrEqual(messages + delivery * inHand);
  // The fault was there all the time, for both roles.
  expect(((mix + delivery) * killEveryMs) / 1_000).toBeGreaterThan(seconds / 4);
  expect(mix).toBeGreaterThan(0);
  expect(delivery).toBeGreaterThan(0);
  await rm(testnet.dir, { recursive: true });
});
