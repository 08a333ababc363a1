import { systemClock } from '@postern/runtime';
import { expect, test } from 'vitest';
import { rotateDomainKey } from '../src/keys/domain-keys.ts';
import { publishedCertificate, startNetwork } from './network.ts';
import { message, seeded, until } from './support.ts';

const random = seeded('rotation');

test('the domain gets another key while messages are on their way: all arrive, under the old one and the new', async () => {
  await using network = await startNetwork();
  const before = await publishedCertificate(network.folder, systemClock);
  const gateway = network.configs.get('gate.b.test');
  const messages: string[] = [];
  const send = async (certificate: Uint8Array): Promise<void> => {
    for (let at = 0; at < 10; at++) {
      const sealed = message(random, 500 + at);
      messages.push(Buffer.from(sealed).toString('hex'));
      for (const { first, packet } of await network.packets(sealed, { certificate }))
        expect((await network.handOver(first, packet)).kind).toBe('sent');
    }
  };
  const arrived = async (): Promise<string[]> =>
    (await network.mailbox('bob')).map((bytes) => Buffer.from(bytes).toString('hex'));
  const status = () => network.nodes.get('gate.b.test')?.status();
  await send(before);
  await rotateDomainKey(gateway?.dataDir ?? '', 'b.test', Math.floor(systemClock.now() / 1_000));
  const after = await publishedCertificate(network.folder, systemClock);
  expect(after).not.toEqual(before);
  await send(before);
  await until(async () => (await status())?.domainKeys.length === 2);
  await send(after);
  await send(before);
  await until(async () => (await arrived()).length === messages.length);
  expect((await arrived()).sort()).toEqual([...messages].sort());
  expect((await status())?.counters.unwrapped?.refused).toBe(0);
});
