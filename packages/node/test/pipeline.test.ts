import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNetwork, type TestNetwork } from './network.ts';
import { seeded, until } from './support.ts';

const random = seeded('pipeline');

describe('three mixes and a gateway', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startNetwork();
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const counters = async (name: string) => (await network.nodes.get(name)?.status())?.counters;
  const drained = async (): Promise<boolean> => {
    const statuses = await Promise.all([...network.nodes.values()].map((node) => node.status()));
    return statuses.every(({ counts }) => Object.values(counts).every((count) => count === 0));
  };

  test('a message of one fragment and one of many arrive byte for byte', async () => {
    const [small, large] = [random.bytes(900), random.bytes(200_000)];
    for (const [sealed, mailbox] of [
      [small, 'bob@b.test'],
      [large, 'bea@b.test'],
    ] as const) {
      const packets = await network.packets(sealed, { mailbox, delayMs: 20 });
      const results = await Promise.all(packets.map(({ first, packet }) => network.handOver(first, packet)));
      expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['sent']));
    }
    await until(
      async () => (await network.mailbox('bob')).length > 0 && (await network.mailbox('bea')).length > 0,
    );
    expect(await network.mailbox('bob')).toEqual([Buffer.from(small)]);
    expect(await network.mailbox('bea')).toEqual([Buffer.from(large)]);
    await until(drained);
  });
});
