import type { Consensus } from '@postern/protocol/consensus';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startNetwork, type TestNetwork } from './network.ts';
import { type FakeClock, fakeClock, message, seeded, until } from './support.ts';

const random = seeded('active');
const epochMs = 600_000;

let clock: FakeClock;
let network: TestNetwork;
beforeEach(async () => {
  clock = fakeClock(Date.UTC(2032, 7, 3, 10, 0, 5));
  network = await passing(startNetwork({ clock, epoch: '10m', mixes: 6, width: { least: 1, most: 1 } }));
});
afterEach(() => passing(Promise.resolve(network[Symbol.asyncDispose]())));

/** Lets time pass until something is done. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const noted = work.finally(() => {
    done = true;
  });
  await until(async () => {
    await clock.advance(100);
    return done;
  });
  return noted;
}

const names = ({ nodes }: Consensus): string[] =>
  nodes.filter(({ layer }) => layer > 0).map(({ name }) => name);

/** The consensus of the next epoch, once all nodes have it. */
async function nextEpoch(): Promise<Consensus> {
  const { epoch } = (await network.consensus()).consensus;
  await clock.advance((epoch + 1) * epochMs - clock.now() + 1);
  await until(async () => {
    await clock.advance(1_000);
    const statuses = await Promise.all([...network.nodes.values()].map((node) => node.status()));
    return statuses.every(({ consensus }) => consensus?.epoch === epoch + 1);
  });
  return (await network.consensus()).consensus;
}

test('a mix that is not drawn knows that it was counted; what is under way to it, and by it, arrives all the same', async () => {
  const { consensus } = await network.consensus();
  expect(names(consensus)).toHaveLength(3);
  for (const [name, node] of network.nodes) {
    const drawn = names(consensus).includes(name) || name === 'gate.b.test';
    expect((await node.status()).consensus).toMatchObject({ listed: drawn, counted: !drawn });
  }
  // packets of an epoch that are handed over in the next one, in which some of their mixes are not drawn
  let sent = 0;
  for (let gone: string[] = []; gone.length === 0; ) {
    const before = names((await network.consensus()).consensus);
    const packets = await network.packets(message(random, 300));
    const now = names(await nextEpoch());
    gone = before.filter((name) => !now.includes(name));
    for (const { first, packet } of packets)
      expect(await passing(network.handOver(first, packet))).toMatchObject({ kind: 'sent' });
    sent += 1;
  }
  await until(async () => {
    await clock.advance(1_000);
    return (await network.mailbox('bob')).length === sent;
  });
});
