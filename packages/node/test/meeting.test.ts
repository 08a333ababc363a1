import { createSmtpSender } from '@postern/mail';
import { formatTold, parseTold, type Told } from '@postern/protocol/consensus';
import { silentLog } from '@postern/runtime';
import { describe, expect, test } from 'vitest';
import { createMeet, toldBy } from '../src/meet.ts';
import { createTopology } from '../src/topology.ts';
import { startNetwork } from './network.ts';
import { consensusOf } from './peers.ts';
import { fakeClock, message, seeded, until } from './support.ts';

const peer = { host: 'mix1.test', port: 25, tlsPin: 'ab'.repeat(32) };
const startMs = Date.UTC(2033, 0, 1);

test('a node tells which consensus it goes by to whoever connects, and hands on to those who say the same', async () => {
  await using network = await startNetwork();
  const { consensus, digest } = await network.consensus();
  const told: (Told | undefined)[] = [];
  await using sender = createSmtpSender({
    ehloName: 'a.test',
    async meet(_peer, offers) {
      told.push(parseTold(offers));
      return 'declined';
    },
  });
  for (const { smtp, tlsPins, name } of consensus.nodes)
    await sender.send(
      { ...smtp, tls: { kind: 'pin', pins: tlsPins } },
      { from: '', to: `secure@${name}`, message: Buffer.from('x\r\n') },
    );
  expect(told).toEqual(consensus.nodes.map(() => ({ epoch: consensus.epoch, digest })));

  const [packet] = await network.packets(message(seeded('meeting'), 1_000));
  if (packet !== undefined) await network.handOver(packet.first, packet.packet);
  await until(async () => (await network.mailbox('bob')).length === 1);
});

describe('a node that meets the next hop', () => {
  const meeting = (heard: 'same' | 'unknown' | 'other' | 'fork' | Error) => {
    const asked: Told[] = [];
    const topology = createTopology(fakeClock(startMs));
    topology.update({ ...consensusOf([], startMs), digest: 'ab'.repeat(32) });
    const warnings: string[] = [];
    const forks: string[] = [];
    const meet = createMeet({
      topology,
      onFork: () => void forks.push('fork'),
      log: { ...silentLog, warn: (event) => void warnings.push(event) },
      directory: {
        async hear(told) {
          asked.push(told);
          if (heard instanceof Error) throw heard;
          return heard;
        },
      },
    });
    return { asked, topology, warnings, forks, meet };
  };
  const told = { epoch: 7, digest: 'cd'.repeat(32) };

  test.each([
    ['same', []],
    ['unknown', []],
    ['other', ['a node goes by another consensus']],
    ['fork', []],
    [new Error('no'), ['what a node goes by was not looked into']],
  ] as const)(
    'that goes by the consensus called %s hands on, but what it has afterwards depends',
    async (heard, said) => {
      const { meet, asked, topology, warnings, forks } = meeting(heard);
      const before = toldBy(topology);
      expect(before).toEqual([
        formatTold({ epoch: Math.floor(startMs / 3_600_000), digest: 'ab'.repeat(32) }),
      ]);
      expect(await meet(peer, ['SIZE 7', formatTold(told)])).toBe('go-on');
      await until(() => asked.length === 1 && warnings.length === said.length);
      expect(asked).toEqual([told]);
      expect(warnings).toEqual(said);
      expect(toldBy(topology)).toEqual(heard === 'fork' ? [] : before);
      expect(forks).toEqual(heard === 'fork' ? ['fork'] : []);
    },
  );

  test('that says nothing of it, or says it twice, asks nobody', async () => {
    const { meet, asked } = meeting('fork');
    for (const offers of [[], ['SIZE 7'], ['XPOSTERN 7'], [formatTold(told), formatTold(told)]])
      expect(await meet(peer, offers)).toBe('go-on');
    expect(asked).toEqual([]);
  });
});
