import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { TxtAnswer } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { createStubResolver, isLoopback } from '../src/dns/index.ts';
import { systemRandom } from '../src/index.ts';
import { answerTo, type DnsServer, flag, startDnsServer } from './dns-server.ts';

const name = '_securemail.b.test';
const text: TxtAnswer = { type: 'TXT', name, ttl: 300, data: ['v=SM1'] };
const found = { kind: 'found', secure: false, records: [{ strings: ['v=SM1'] }], ttlSeconds: 300 };
const soon = { timeoutMs: 200, resendMs: 40 };

describe('an answer', () => {
  test('is asked for with EDNS and the DO bit, from another port and with another id each time', async () => {
    const server = await startDnsServer((query) => [answerTo(query, { answers: [text] })]);
    const resolver = createStubResolver({ server });
    for (let count = 0; count < 8; count += 1) expect(await resolver.resolve(name, 'TXT')).toEqual(found);
    const [query] = server.asked;
    expect(query?.questions).toEqual([{ name, type: 'TXT', class: 'IN' }]);
    expect(query?.additionals).toEqual([
      expect.objectContaining({ type: 'OPT', udpPayloadSize: 1232, flag_do: true }),
    ]);
    expect(query).toMatchObject({ flag_rd: true, flag_ad: true, flag_cd: false });
    expect(new Set(server.asked.map(({ id }) => id)).size).toBeGreaterThan(4);
    expect(new Set(server.clientPorts).size).toBeGreaterThan(4);
  });

  test('names are compared without regard to case', async () => {
    const server = await startDnsServer((query) => [
      answerTo(query, { answers: [{ ...text, name: name.toUpperCase() }] }),
    ]);
    expect(await createStubResolver({ server }).resolve('_SECUREMAIL.B.test.', 'TXT')).toEqual(found);
  });

  test.each([
    [
      'MX',
      { type: 'MX', data: { preference: 5, exchange: 'Mx.b.test' } },
      { preference: 5, exchange: 'mx.b.test.' },
    ],
    ['A', { type: 'A', data: '192.0.2.1' }, { address: '192.0.2.1' }],
    ['AAAA', { type: 'AAAA', data: '2001:db8:0::1' }, { address: '2001:db8::1' }],
    ['TXT', { type: 'TXT', data: ['a', Buffer.of(0xff), ''] }, { strings: ['a', 'ÿ', ''] }],
    [
      'TLSA',
      { type: 'TLSA', data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32, 7) } },
      { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32).fill(7) },
    ],
    ['OPENPGPKEY', { type: 'UNKNOWN_61', data: Buffer.of(1, 2) }, { certificate: Uint8Array.of(1, 2) }],
  ] as const)('%s is read', async (type, record, value) => {
    const server = await startDnsServer((query) => [
      answerTo(query, { answers: [{ name, ttl: 60, ...record } as never] }),
    ]);
    expect(await createStubResolver({ server }).resolve(name, type)).toEqual({
      kind: 'found',
      secure: false,
      records: [value],
      ttlSeconds: 60,
    });
  });

  test('there is none: for as long as the SOA record says', async () => {
    const soa = {
      type: 'SOA',
      name: 'b.test',
      ttl: 3600,
      data: { mname: 'ns', rname: 'x', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 90 },
    } as const;
    for (const rcode of [0, flag.nxdomain]) {
      const server = await startDnsServer((query) => [
        answerTo(query, { flags: rcode | flag.authentic, authorities: [soa] }),
      ]);
      expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual({
        kind: 'none',
        secure: true,
        ttlSeconds: 90,
      });
    }
  });
});

describe('D2 the AD bit', () => {
  test('counts from loopback only', () => {
    const inside = ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1'];
    const outside = [
      '192.0.2.53',
      '10.0.0.1',
      '::',
      '::2',
      '2001:db8::1',
      'localhost',
      '127.0.0.1.evil.test',
      '::ffff:192.0.2.1',
    ];
    expect(inside.filter(isLoopback)).toEqual(inside);
    expect(outside.filter(isLoopback)).toEqual([]);
  });

  test('makes an answer secure, and its absence does not', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const server = await startDnsServer(
        (query) => [answerTo(query, { flags: flag.authentic, answers: [text] })],
        host,
      );
      expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual({ ...found, secure: true });
    }
  });

  test('is not believed from what is only a name for loopback, which could be one for anything', async () => {
    const { port } = await startDnsServer((query) => [
      answerTo(query, { flags: flag.authentic, answers: [text] }),
    ]);
    expect(await createStubResolver({ server: { host: 'localhost', port } }).resolve(name, 'TXT')).toEqual(
      found,
    );
  });

  const [address] = otherAddresses();

  test('is not believed from a machine elsewhere', async ({ skip }) => {
    if (address === undefined) return skip('all addresses of this machine are loopback');
    const server = await startDnsServer(
      (query) => [answerTo(query, { flags: flag.authentic, answers: [text] })],
      address,
    );
    expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual(found);
  });
});

function otherAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).flatMap(({ internal, family, address }) =>
      !internal && family === 'IPv4' ? [address] : [],
    ),
  );
}

describe('large', () => {
  const certificate = Buffer.alloc(20_000, 0xa5);

  test('what does not fit a datagram comes over TCP: 20 KB', async () => {
    const server = await startDnsServer((query, transport) => [
      transport === 'udp'
        ? answerTo(query, { flags: flag.truncated })
        : answerTo(query, { answers: [{ type: 'UNKNOWN_61', name, ttl: 1, data: certificate } as never] }),
    ]);
    const answer = await createStubResolver({ server }).resolve(name, 'OPENPGPKEY');
    expect(answer).toMatchObject({ kind: 'found', records: [{ certificate: Uint8Array.from(certificate) }] });
    expect(server.transports).toEqual(['udp', 'tcp']);
  });

  test('a message cut off in the middle of a record, with TC', async () => {
    const { encode } = await import('dns-packet');
    const server = await startDnsServer((query, transport) => {
      if (transport === 'tcp') return [answerTo(query, { answers: [text] })];
      return [encode(answerTo(query, { flags: flag.truncated, answers: [text] })).subarray(0, -3)];
    });
    expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual(found);
  });

  test.each<[string, (query: never) => Buffer[]]>([
    ['nothing', () => []],
    ['half a message', () => [Buffer.from('0040', 'hex')]],
    ['a message that is none', () => [Buffer.alloc(20, 0xff)]],
  ])('%s over TCP is malformed', async (_what, reply) => {
    const server = await startDnsServer((query, transport) =>
      transport === 'udp' ? [answerTo(query, { flags: flag.truncated })] : reply(query as never),
    );
    expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual({
      kind: 'failed',
      reason: 'malformed',
    });
  });
});

describe('what is no answer to the question', () => {
  test.each<[string, Parameters<typeof startDnsServer>[0]]>([
    [
      'another id',
      (query) => [answerTo({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, { answers: [text] })],
    ],
    [
      'another name',
      (query) => [
        answerTo(query, { questions: [{ name: '_securemail.c.test', type: 'TXT' }], answers: [text] }),
      ],
    ],
    ['another type', (query) => [answerTo(query, { questions: [{ name, type: 'A' }] })]],
    ['no question', (query) => [answerTo(query, { questions: [], answers: [text] })]],
    ['a single octet', () => [Buffer.of(1)]],
    ['nothing', () => []],
  ])('%s is waited past', async (_what, reply) => {
    const server = await startDnsServer(reply);
    const answer = await createStubResolver({ server, ...soon }).resolve(name, 'TXT');
    expect(answer).toEqual({ kind: 'failed', reason: 'timeout' });
    // Sent again in the meantime: a datagram may have been lost.
    expect(server.asked.length).toBeGreaterThan(1);
  });

  test('a right one behind a wrong one is taken', async () => {
    const forged = { ...text, data: ['v=forged'] };
    const server = await startDnsServer((query) => [
      answerTo({ ...query, id: ((query.id ?? 0) + 1) & 0xffff }, { answers: [forged] }),
      answerTo(query, { answers: [text] }),
    ]);
    expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual(found);
  });

  test('from another port it is not seen at all', async () => {
    const { encode } = await import('dns-packet');
    const stranger = createSocket('udp4');
    const server: DnsServer = await startDnsServer((query) => {
      const forged = encode(answerTo(query, { answers: [{ ...text, data: ['v=forged'] }] }));
      stranger.send(forged, clientPort);
      return [answerTo(query, { answers: [text] })];
    });
    // The client's port is not told by the query, so a proxy that knows it stands in between.
    let clientPort = 0;
    const proxy = createSocket('udp4');
    proxy.on('message', (bytes, from) => {
      if (from.port === server.port) proxy.send(bytes, clientPort);
      else {
        clientPort = from.port;
        proxy.send(bytes, server.port, server.host);
      }
    });
    await new Promise<void>((resolve) => {
      proxy.bind(0, '127.0.0.1', resolve);
    });
    try {
      const behind = { host: '127.0.0.1', port: proxy.address().port };
      expect(await createStubResolver({ server: behind }).resolve(name, 'TXT')).toEqual(found);
    } finally {
      proxy.close();
      stranger.close();
    }
  });
});

describe('CNAME', () => {
  const alias = (from: string, to: string) => ({ type: 'CNAME', name: from, ttl: 30, data: to }) as const;
  const ask = async (answers: readonly object[]): Promise<unknown> => {
    const server = await startDnsServer((query) => [answerTo(query, { answers: answers as never })]);
    return createStubResolver({ server }).resolve(name, 'TXT');
  };
  const chain = (length: number) =>
    Array.from({ length }, (_, at) => alias(at === 0 ? name : `c${at}.test`, `c${at + 1}.test`));

  test('a chain inside the answer is followed, in any order, and lives as long as its shortest part', async () => {
    const end = { ...text, name: 'c3.test' };
    expect(await ask([end, ...chain(3).reverse()])).toEqual({ ...found, ttlSeconds: 30 });
    expect(await ask([...chain(8), { ...text, name: 'c8.test' }])).toMatchObject({ kind: 'found' });
  });

  test('one that ends nowhere is no record', async () => {
    expect(await ask(chain(2))).toEqual({ kind: 'none', secure: false, ttlSeconds: 0 });
  });

  test.each([
    ['a loop', [alias(name, 'c1.test'), alias('c1.test', name)]],
    ['one to itself', [alias(name, name)]],
    ['too long a chain', [...chain(9), { ...text, name: 'c9.test' }]],
    ['two at one name', [alias(name, 'c1.test'), alias(name, 'c2.test')]],
  ])('%s is malformed', async (_what, answers) => {
    expect(await ask(answers)).toEqual({ kind: 'failed', reason: 'malformed' });
  });
});

describe('failures', () => {
  const failing = async (extended: number | undefined, unchecked: number): Promise<[string, DnsServer]> => {
    const server = await startDnsServer((query) => {
      const option = { code: 'OPTION_15', type: 'OPTION_15', data: Buffer.of(0, extended ?? 0) };
      const opt = {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
      };
      return [
        answerTo(query, {
          flags: query.flag_cd ? unchecked : flag.servfail,
          additionals: [
            { ...opt, options: extended === undefined ? [] : [{ ...option, code: 15 }] } as never,
          ],
        }),
      ];
    });
    const answer = await createStubResolver({ server }).resolve(name, 'TXT');
    return [answer.kind === 'failed' ? answer.reason : answer.kind, server];
  };

  test.each([6, 7, 8, 9, 10, 11, 12])('extended error %i is bogus at once', async (code) => {
    const [reason, server] = await failing(code, flag.servfail);
    expect([reason, server.asked.length]).toEqual(['bogus', 1]);
  });

  test.each([22, 23])('extended error %i is an outage at once', async (code) => {
    const [reason, server] = await failing(code, 0);
    expect([reason, server.asked.length]).toEqual(['servfail', 1]);
  });

  test('without a word, what can be had unchecked is bogus, and what cannot is an outage', async () => {
    const [bogus, server] = await failing(undefined, flag.nxdomain);
    expect([bogus, server.asked.map(({ flag_cd }) => flag_cd)]).toEqual(['bogus', [false, true]]);
    expect((await failing(undefined, flag.servfail))[0]).toBe('servfail');
  });

  test('a refusal, with or without the question', async () => {
    for (const change of [{}, { questions: [] }]) {
      const server = await startDnsServer((query) => [answerTo(query, { flags: flag.refused, ...change })]);
      expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual({
        kind: 'failed',
        reason: 'servfail',
      });
    }
  });

  test('nothing listens there', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => {
      socket.bind(0, '127.0.0.1', resolve);
    });
    const server = { host: '127.0.0.1', port: socket.address().port };
    await new Promise<void>((resolve) => {
      socket.close(resolve);
    });
    expect(await createStubResolver({ server }).resolve(name, 'TXT')).toEqual({
      kind: 'failed',
      reason: 'unreachable',
    });
  });

  test('the caller may give up', async () => {
    const server = await startDnsServer(() => []);
    const stop = new AbortController();
    const waiting = createStubResolver({ server }).resolve(name, 'TXT', stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(createStubResolver({ server }).resolve(name, 'TXT', stop.signal)).rejects.toThrow('enough');
  });

  test('the deadline is the clock’s', async () => {
    const server = await startDnsServer(() => []);
    let now = 0;
    const clock = {
      now: () => now,
      wait: async (until: number, signal?: AbortSignal) => {
        signal?.throwIfAborted();
        await new Promise((resolve) => setImmediate(resolve));
        now = Math.max(now, until);
      },
    };
    const answer = await createStubResolver({
      server,
      clock,
      random: systemRandom,
      timeoutMs: 3_600_000,
    }).resolve(name, 'TXT');
    expect(answer).toEqual({ kind: 'failed', reason: 'timeout' });
  });

  test('what is no name is a fault', async () => {
    const resolver = createStubResolver({ server: { host: '127.0.0.1', port: 9 } });
    for (const wrong of ['', 'a..b', `${'x'.repeat(64)}.test`, 'a b.test', `${'abcdefg.'.repeat(40)}test`])
      await expect(resolver.resolve(wrong, 'TXT')).rejects.toMatchObject({ code: 'wrong-name' });
  });
});
