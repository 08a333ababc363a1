import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodeStatus } from '../src/index.ts';
import { startNetwork, type TestNetwork } from './network.ts';
import { message, seeded, until } from './support.ts';

const random = seeded('pipeline');

describe('three mixes and a gateway', () => {
  let network: TestNetwork;
  beforeAll(async () => {
    network = await startNetwork();
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const statuses = (): Promise<NodeStatus[]> =>
    Promise.all([...network.nodes.values()].map((node) => node.status()));
  const drained = async (): Promise<boolean> =>
    (await statuses()).every(({ counts }) => Object.values(counts).every((count) => count === 0));
  /** An outcome summed up over all nodes. */
  const total = async (stage: keyof NodeStatus['counters'], outcome: string): Promise<number> =>
    (await statuses()).reduce((sum, { counters }) => sum + (counters[stage][outcome] ?? 0), 0);
  const send = async (packets: Awaited<ReturnType<TestNetwork['packets']>>): Promise<string[]> =>
    Promise.all(packets.map(async ({ first, packet }) => (await network.handOver(first, packet)).kind));
  const layer = async (wanted: number): Promise<string> =>
    (await network.consensus()).consensus.nodes.find((entry) => entry.layer === wanted)?.name ?? '';

  test('a message of one fragment and one of many arrive byte for byte', async () => {
    const [small, large] = [message(random, 900), message(random, 200_000)];
    const packets = [
      ...(await network.packets(small, { mailbox: 'bob@b.test', delayMs: 20 })),
      ...(await network.packets(large, { mailbox: 'bea@b.test', delayMs: 20 })),
    ];
    expect(new Set(await send(packets))).toEqual(new Set(['sent']));
    await until(async () => (await total('delivered', 'delivered')) === 2);
    expect(await network.mailbox('bob')).toEqual([Buffer.from(small)]);
    expect(await network.mailbox('bea')).toEqual([Buffer.from(large)]);
    await until(drained);
  });

  test('R17 C8 a packet that comes again, in another carriage and after a restart, is dropped and counted', async () => {
    const before = (await network.mailbox('bob')).length;
    const packets = await network.packets(message(random, 500));
    const [one] = packets;
    if (one === undefined) throw new Error('no packet');
    await send(packets);
    await send(packets);
    await until(async () => (await total('peeled', 'replayed')) === 1);
    await until(drained);
    await network.nodes.get(one.first.name)?.close();
    const again = await network.start(one.first.name);
    await again.ready;
    await send(packets);
    await until(async () => (await again.status()).counters.peeled.replayed === 1);
    await until(drained);
    expect(await network.mailbox('bob')).toHaveLength(before + 1);
  });

  test('C9 the answer is 250 whether a layer opens or not', async () => {
    const [one] = await network.packets(message(random, 500));
    if (one === undefined) throw new Error('no packet');
    const tampered = one.packet.slice();
    tampered[2_000] = (tampered[2_000] ?? 0) ^ 1;
    const strange = random.bytes(one.packet.length);
    strange[0] = 1;
    const refused = await total('peeled', 'bad-header');
    expect(await send([{ ...one, packet: tampered }])).toEqual(['sent']);
    expect(await send([{ ...one, packet: strange }])).toEqual(['sent']);
    await until(async () => (await total('peeled', 'bad-header')) === refused + 1);
    await until(async () => (await total('peeled', 'wrong-epoch')) === 1);
    await until(drained);
  });

  test('what is no carriage, or of a kind that the node does not take, is refused', async () => {
    const [one] = await network.packets(message(random, 500));
    if (one === undefined) throw new Error('no packet');
    expect(await network.handOver(one.first, one.packet.subarray(1))).toMatchObject({
      kind: 'refused',
      enhanced: '5.6.0',
    });
    const exit = one.packet.slice();
    exit[0] = 0x81;
    expect(await network.handOver(one.first, exit)).toMatchObject({ kind: 'refused', enhanced: '5.7.1' });
  });

  test('nobody writes into a message who answers for it, and how to complain, but the gateway', async () => {
    const before = (await network.mailbox('bea')).length;
    const forged =
      'authentication-results: b.test;\r\n\tdkim=pass header.d=bank.test\r\nPostern-return: AAAA\r\n BBBB\r\n';
    const rest = 'Subject: x\r\n\r\nAuthentication-Results: stays in a body\r\n';
    const header = 'From: <bank@bank.test>\r\n';
    await send(await network.packets(Buffer.from(` x\r\n${header}${rest}`), { mailbox: 'bea@b.test' }));
    await until(async () => (await total('delivered', 'unjoinable')) === 1);
    await send(await network.packets(Buffer.from(`${header}${forged}${rest}`), { mailbox: 'bea@b.test' }));
    await until(async () => (await network.mailbox('bea')).length === before + 1);
    const texts = (await network.mailbox('bea')).map((bytes) => Buffer.from(bytes).toString('latin1'));
    expect(texts).toContain(`${header}${rest}`);
    await until(drained);
  });

  test('a mailbox that the gateway does not have is dropped and counted', async () => {
    await send(await network.packets(message(random, 500), { mailbox: 'eve@b.test' }));
    await until(async () => (await total('unwrapped', 'unknown-mailbox')) === 1);
    await until(drained);
  });

  test('Q1 while a mix is down its packets wait at the one before, and each arrives once', async () => {
    const before = (await network.mailbox('bea')).length;
    const [first, middle] = [await layer(1), await layer(2)];
    await network.nodes.get(middle)?.close();
    const messages = Array.from({ length: 4 }, () => message(random, 400));
    const packets = await Promise.all(messages.map((one) => network.packets(one, { mailbox: 'bea@b.test' })));
    network.nodes.delete(middle);
    await send(packets.flat());
    await until(async () => {
      const status = await network.nodes.get(first)?.status();
      return status?.counts.relays === 4 && (status.counters.forwarded.deferred ?? 0) > 0;
    });
    await network.start(middle);
    await until(async () => (await network.mailbox('bea')).length === before + 4);
    await until(drained);
    const arrived = (await network.mailbox('bea')).map((one) => Buffer.from(one).toString('hex'));
    for (const one of messages) expect(arrived).toContain(Buffer.from(one).toString('hex'));
    expect(new Set(arrived).size).toBe(before + 4);
  });

  test('Q1 what a node was holding when it was closed goes on when it starts again', async () => {
    const before = (await network.mailbox('bob')).length;
    const [middle] = [await layer(2)];
    const packets = await network.packets(message(random, 100_000), { delayMs: 1_500 });
    await send(packets);
    await until(async () => ((await network.nodes.get(middle)?.status())?.counts.relays ?? 0) > 0);
    await network.nodes.get(middle)?.close();
    await network.start(middle);
    await until(async () => (await network.mailbox('bob')).length === before + 1);
    await until(drained);
  });

  test('an exit to a domain that has no gateway is held, and counted', async () => {
    await send(await network.packets(message(random, 500), { exit: 'nowhere.test' }));
    await until(async () => (await total('forwarded', 'no-route')) > 0);
    expect((await statuses()).reduce((sum, { counts }) => sum + counts.relays, 0)).toBe(1);
  });

  test('R17 once its spool is lost, a mix opens nothing that was made for it before', async () => {
    const before = (await network.mailbox('bob')).length;
    const packets = await network.packets(message(random, 500));
    const first = packets[0]?.first.name ?? '';
    await send(packets);
    await until(async () => (await network.mailbox('bob')).length === before + 1);
    await network.nodes.get(first)?.close();
    const dataDir = join(network.folder, first);
    for (const name of await readdir(dataDir))
      if (name.startsWith('spool.sqlite')) await rm(join(dataDir, name));
    const anew = await network.start(first);
    await send(packets);
    await until(async () => ((await anew.status()).counters.peeled['bad-header'] ?? 0) === packets.length);
    expect(await anew.status()).toMatchObject({ counters: { peeled: { relay: 0 } }, counts: { inputs: 0 } });
    expect(await network.mailbox('bob')).toHaveLength(before + 1);
  });
});
