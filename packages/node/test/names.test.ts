import { certificateOwner, formatZone, makeRecord, textOwner } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { describe, expect, test } from 'vitest';
import { createNames, type FoundDestination } from '../src/names.ts';
import { fakeClock, seeded } from './support.ts';

/** Who takes the mail of b.test when each of its exchangers has these addresses; `asked` collects the questions. */
function find(
  addresses: string[],
  {
    allowPrivate = false,
    asked = [] as string[],
    exchangers = ['mx.b.test.'],
    seed = 'names',
    ttls = {} as Record<string, number>,
    tlsa = [] as object[],
  } = {},
): Promise<FoundDestination> {
  const resolver = {
    async resolve(name: string, type: RecordType) {
      asked.push(`${type} ${name}`);
      const ttlSeconds = ttls[type] ?? 900;
      const found = (records: object[]) => ({ kind: 'found', secure: true, records, ttlSeconds });
      if (type === 'MX') return found(exchangers.map((exchange, at) => ({ preference: at, exchange })));
      const fits = addresses.filter((address) => (type === 'AAAA') === address.includes(':'));
      if ((type === 'A' || type === 'AAAA') && fits.length > 0)
        return found(fits.map((address) => ({ address })));
      if (type === 'TLSA' && tlsa.length > 0) return found(tlsa);
      if (type === 'TXT' && name === '_mta-sts.b.test') return found([{ strings: ['v=STSv1; id=a'] }]);
      return { kind: 'none', secure: true, ttlSeconds } satisfies Answer;
    },
  } as unknown as Resolver;
  const policies = { get: async () => undefined, set: async () => undefined };
  const clock = fakeClock(Date.UTC(2033, 0, 1));
  const common = { clock, random: seeded(seed), ownNames: ['gate.a.test'] };
  return createNames({ ...common, resolver, policies, allowPrivate }).findPeers(
    'b.test',
    'require',
    new AbortController().signal,
  );
}

const hosts = async (...args: Parameters<typeof find>): Promise<unknown> => {
  const found = await find(...args);
  return found.kind === 'found' ? found.peers.map(({ host }) => host) : found.kind;
};

test.each([
  [false, { kind: 'no-part', ttlSeconds: 900 }, false],
  [true, { kind: 'failed' }, true],
])(
  'spec dns 6.3: a mix asks who takes a domain’s mail only if it takes mail from mixes: %s',
  async (mix, expected, asks) => {
    const clock = fakeClock(Date.UTC(2033, 0, 1));
    const { certificate } = await generateDomainKey('b.test');
    const expires = clock.now() / 1_000 + 86_400;
    const record = makeRecord({
      domain: 'b.test',
      certificate,
      tls: 'require',
      mix,
      maxBytes: 1_000_000,
      expires,
    });
    const strings = [...(/ TXT (.*)/.exec(formatZone(record))?.[1] ?? '').matchAll(/"([^"]*)"/g)].map(
      ([, one]) => one,
    );
    const asked: string[] = [];
    const resolver = {
      async resolve(name: string, type: RecordType) {
        asked.push(type);
        const found = (one: object) => ({ kind: 'found', secure: true, records: [one], ttlSeconds: 900 });
        if (type === 'TXT' && name === textOwner('b.test')) return found({ strings });
        if (type === 'OPENPGPKEY' && name === certificateOwner('b.test')) return found({ certificate });
        return { kind: 'failed', reason: 'timeout' };
      },
    } as unknown as Resolver;
    const policies = { get: async () => undefined, set: async () => undefined };
    const common = { clock, random: seeded('exit'), ownNames: ['mix1.test'], allowPrivate: false };
    const names = createNames({ ...common, resolver, policies });
    expect(await names.findExit('b.test', new AbortController().signal)).toEqual(expected);
    expect(asked.includes('MX')).toBe(asks);
  },
);

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

describe('of thousands of addresses', () => {
  const many = Array.from({ length: 4_000 }, (_, at) =>
    at % 2 === 0 ? `1.1.${at >> 8}.${at & 255}` : `2606:4700::${at.toString(16)}`,
  );

  test('few are taken, of both kinds, by chance', async () => {
    const [drawn, others] = await Promise.all(['a', 'b'].map((seed) => find(many, { seed })));
    if (drawn?.kind !== 'found' || others?.kind !== 'found') throw new Error('not found');
    expect(drawn.peers.map(({ host }) => host.includes(':'))).toEqual([false, true, false, true]);
    expect(drawn.peers).not.toEqual(others.peers);
  });

  test('no domain has more than ten peers, and each of its exchangers has one', async () => {
    const exchangers = Array.from({ length: 50 }, (_, at) => `mx${at}.b.test.`);
    const found = await find(many, { exchangers });
    if (found.kind !== 'found') throw new Error(found.kind);
    expect(found.peers.map((peer) => peer.serverName)).toEqual(
      exchangers.slice(0, 10).map((name) => name.slice(0, -1)),
    );
  });
});

test.each([['MX'], ['TLSA'], ['A']])(
  'what was found holds no longer than its shortest answer, be it of %s',
  async (type) => {
    expect(await find(['1.1.1.1'], { ttls: { [type]: 300 } })).toMatchObject({
      kind: 'found',
      ttlSeconds: 300,
    });
  },
);

test('a server with more TLSA than is remembered is passed over', async () => {
  const records = (count: number): object[] =>
    Array.from({ length: count }, () => ({ usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) }));
  expect(await find(['1.1.1.1'], { tlsa: records(128) })).toMatchObject({ kind: 'found' });
  expect(await find(['1.1.1.1'], { tlsa: records(129) })).toEqual({ kind: 'unverifiable' });
});
