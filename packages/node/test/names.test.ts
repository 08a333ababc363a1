import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { expect, test } from 'vitest';
import { createNames, type FoundPeers } from '../src/names.ts';
import { fakeClock, seeded } from './support.ts';

/** Who takes the mail of b.test when its one exchanger has these addresses; `asked` collects the questions. */
function find(
  addresses: string[],
  { allowPrivate = false, asked = [] as string[] } = {},
): Promise<FoundPeers> {
  const found = (records: object[]) => ({ kind: 'found', secure: true, records, ttlSeconds: 60 });
  const resolver = {
    async resolve(name: string, type: RecordType) {
      asked.push(`${type} ${name}`);
      if (type === 'MX') return found([{ preference: 10, exchange: 'mx.b.test.' }]);
      const fits = addresses.filter((address) => (type === 'AAAA') === address.includes(':'));
      if ((type === 'A' || type === 'AAAA') && fits.length > 0)
        return found(fits.map((address) => ({ address })));
      if (type === 'TXT' && name === '_mta-sts.b.test') return found([{ strings: ['v=STSv1; id=a'] }]);
      return { kind: 'none', secure: true, ttlSeconds: 60 } satisfies Answer;
    },
  } as unknown as Resolver;
  const policies = { get: async () => undefined, set: async () => undefined };
  const clock = fakeClock(Date.UTC(2033, 0, 1));
  const common = { clock, random: seeded('names'), ownNames: ['gate.a.test'] };
  return createNames({ ...common, resolver, policies, allowPrivate }).findPeers('b.test', 'require');
}

const hosts = async (...args: Parameters<typeof find>): Promise<unknown> => {
  const found = await find(...args);
  return found.kind === 'found' ? found.peers.map(({ host }) => host) : found.kind;
};

test('a stranger’s exchanger is at public addresses: others are passed over', async () => {
  expect(await hosts(['10.0.0.1', '1.1.1.1', 'fe80::1', '2606:4700::1111'])).toEqual([
    '1.1.1.1',
    '2606:4700::1111',
  ]);
});

test.each([['127.0.0.1'], ['169.254.169.254'], ['::1'], ['::ffff:10.0.0.1'], ['224.0.0.1'], ['0.0.0.0']])(
  'one at %s alone cannot be reached, unless the network is one’s own',
  async (address) => {
    expect(await hosts([address])).toBe('failed');
    expect(await hosts([address], { allowPrivate: true })).toEqual([address]);
  },
);

test('the host of a policy is looked up by the same resolver', async () => {
  const asked: string[] = [];
  await find(['127.0.0.1'], { asked });
  expect(asked).toContain('A mta-sts.b.test');
  expect(asked).toContain('AAAA mta-sts.b.test');
});
