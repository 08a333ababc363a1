import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startNetwork, type TestNetwork } from './network.ts';
import { type FakeClock, fakeClock, message, seeded, until } from './support.ts';

const random = seeded('clockwork');
const start = Date.UTC(2032, 7, 3, 10, 0, 5);
const epochMs = 600_000;

describe('on a clock that stands still until it is moved', () => {
  let clock: FakeClock;
  let network: TestNetwork;
  beforeEach(async () => {
    clock = fakeClock(start);
    const starting = startNetwork({ clock, epoch: '10m' });
    let started = false;
    const noted = starting.then(() => {
      started = true;
    });
    await until(async () => {
      await clock.advance(100);
      return started;
    });
    await noted;
    network = await starting;
  });
  afterEach(async () => {
    const closing = network[Symbol.asyncDispose]();
    await closing;
  });

  const sendOne = async (delayMs: number): Promise<void> => {
    for (const { first, packet } of await network.packets(message(random, 300), { delayMs }))
      expect(await network.handOver(first, packet)).toMatchObject({ kind: 'sent' });
  };
  const settled = (wanted: string): Promise<void> =>
    until(async () => {
      const statuses = await Promise.all([...network.nodes.values()].map((node) => node.status()));
      return (
        statuses
          .map(({ counts }) => `${counts.inputs}${counts.relays}`)
          .sort()
          .join() === wanted
      );
    });

  test('a packet waits in each mix as long as its author asked, to the millisecond', async () => {
    await sendOne(60_000);
    for (let hop = 0; hop < 3; hop++) {
      await settled('00,00,00,01');
      const before = clock.now();
      const sent = async (): Promise<number> => {
        const statuses = await Promise.all([...network.nodes.values()].map((node) => node.status()));
        return statuses.reduce((sum, { counters }) => sum + (counters.forwarded.sent ?? 0), 0);
      };
      await clock.advance(59_999);
      expect(await sent()).toBe(hop);
      await clock.advance(1);
      expect(clock.now()).toBe(before + 60_000);
      await until(async () => (await sent()) === hop + 1);
    }
    await until(async () => (await network.mailbox('bob')).length === 1);
  });

  test('with an expired consensus a packet is taken and held, and nothing is sent', async () => {
    const { authority } = network;
    const packets = await network.packets(message(random, 300));
    await authority.close();
    await clock.advance(3 * epochMs);
    const first = packets[0];
    if (first === undefined) throw new Error('no packet');
    expect(await network.handOver(first.first, first.packet)).toMatchObject({ kind: 'sent' });
    const mix = network.nodes.get(first.first.name);
    await until(async () => ((await mix?.status())?.counters.forwarded['no-consensus'] ?? 0) > 0);
    expect(await mix?.status()).toMatchObject({ consensus: null, counts: { relays: 1 } });

    await clock.advance(10 * 60_000);
    expect(await mix?.status()).toMatchObject({
      counts: { relays: 1 },
      counters: { forwarded: { sent: 0 } },
    });
  });

  test('mix keys are made ahead, used in their epoch, and gone after their grace', async () => {
    const folder = join(network.folder, 'mix1.test', 'mix-keys');
    const epoch = Math.floor(start / epochMs);
    const files = async () =>
      (await readdir(folder))
        .filter((name) => name.endsWith('.key'))
        .map((name) => Number.parseInt(name, 10) - epoch)
        .sort((a, b) => a - b);
    expect(await files()).toEqual([0, 1, 2]);
    for (let later = 1; later <= 5; later++) {
      await clock.advance(epochMs);
      await until(async () => {
        await clock.advance(1_000);
        const statuses = await Promise.all([...network.nodes.values()].map((node) => node.status()));
        return statuses.every(
          (status) => status.epoch === epoch + later && status.consensus?.epoch === epoch + later,
        );
      });
      await sendOne(0);
      await until(async () => (await network.mailbox('bob')).length === later);
    }
    await until(async () => (await files())[0] === 2);
    expect(await files()).toEqual([2, 3, 4, 5, 6, 7]);
  });
});
