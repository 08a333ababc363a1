import {
  createSmtpSender,
  makeCarriage,
  parseMailbox,
  type SendResult,
  type SmtpServer,
} from '@postern/mail';
import { createMetrics, silentLog, systemRandom } from '@postern/runtime';
import { describe, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import type { TlsCertificate } from '../src/keys/certificate.ts';
import { receive } from '../src/receive/receive.ts';
import type { Unit } from '../src/spool.ts';
import { makeCertificate } from './peers.ts';
import { unit } from './spool-contract.ts';

const packetBytes = 32_768;

function startReceiver(tls: TlsCertificate, taken: Unit[]): Promise<SmtpServer> {
  return receive(
    {
      log: silentLog,
      counters: createCounters(createMetrics()),
      packetBytes,
      listen: { host: '127.0.0.1', port: 0 },
      ehlo: 'mix1.test',
      tls,
      domains: ['mix1.test'],
      isBehind: () => false,
    },
    { packet: { take: async (one) => void taken.push(one), close: async () => undefined } },
  );
}

/** A carriage with so many octets of trace on top. */
function carriageUnder(traceOctets: number): Uint8Array {
  const carriage = makeCarriage({
    fromDomain: 'a.test',
    toDomain: 'mix1.test',
    bytes: unit().bytes,
    now: new Date(0),
    random: (length) => systemRandom.bytes(length),
  });
  const line = '\r\n '.padEnd(900, 'y');
  const rest = traceOctets - 'X-Pad:\r\n'.length;
  const trace = `X-Pad:${line.repeat(rest / line.length)}${line.slice(0, rest % line.length)}\r\n`;
  return Buffer.concat([Buffer.from(trace, 'latin1'), carriage]);
}

test('spec carriage 4.3: a message is taken up to the carriage’s length and 16,384 octets of trace', async () => {
  const tls = await makeCertificate('mix1.test');
  const taken: Unit[] = [];
  await using server = await startReceiver(tls, taken);
  const peer = { host: '127.0.0.1', port: server.address.port, tlsPin: tls.pin };
  await using sender = createSmtpSender({ ehloName: 'a.test' });
  const send = (message: Uint8Array): Promise<SendResult> =>
    sender.send(peer, { from: 'secure@a.test', to: 'secure@mix1.test', message });
  expect(await send(carriageUnder(16_384))).toMatchObject({ kind: 'sent' });
  expect(await send(carriageUnder(16_385))).toEqual({ kind: 'refused', code: 552, enhanced: '5.3.4' });
  expect(taken).toHaveLength(1);
});

test('spec carriage 6.6: what an account hands over is taken as bytes alone, and its signer is judged and forgotten', async () => {
  const tls = await makeCertificate('mix1.test');
  const taken: Unit[] = [];
  const line = { take: async (one: Unit) => void taken.push(one), close: async () => undefined };
  const judged: string[] = [];
  await using server = await receive(
    {
      log: silentLog,
      counters: createCounters(createMetrics()),
      packetBytes,
      listen: { host: '127.0.0.1', port: 0 },
      ehlo: 'mix1.test',
      tls,
      domains: ['mix1.test'],
      isBehind: () => false,
      gateway: {
        attest: async () => ({
          kind: 'attested',
          domain: 'p.test',
          author: { local: 'alice', domain: 'p.test' },
        }),
        admit: (domain) => (judged.push(domain) > 2 ? 'denied' : 'admitted'),
        takeForeign: async () => false,
      },
    },
    { packet: line, exit: line },
  );
  await using sender = createSmtpSender({ ehloName: 'p.test' });
  const peer = { host: '127.0.0.1', port: server.address.port, tlsPin: tls.pin };
  const send = (kind: 'packet' | 'exit', account?: string): Promise<SendResult> => {
    const from = account === undefined ? {} : { account };
    const message = makeCarriage({
      ...from,
      fromDomain: 'p.test',
      toDomain: 'mix1.test',
      bytes: Uint8Array.of(kind === 'exit' ? 0x81 : 1, ...unit(kind).bytes.subarray(1)),
      now: new Date(0),
      random: (length) => systemRandom.bytes(length),
    });
    return sender.send(peer, { from: account ?? 'secure@p.test', to: 'secure@mix1.test', message });
  };
  expect(await send('packet', 'alice@p.test')).toMatchObject({ kind: 'sent' });
  expect(await send('exit', 'alice@p.test')).toMatchObject({ kind: 'sent' });
  expect(await send('exit')).toMatchObject({ kind: 'sent' });
  expect(await send('exit', 'alice@p.test')).toMatchObject({ kind: 'refused', code: 550 });
  expect(judged).toEqual(['p.test', 'p.test', 'p.test']);
  expect(taken.map(({ kind, attested }) => [kind, attested])).toEqual([
    ['packet', undefined],
    ['exit', undefined],
    ['exit', 'p.test'],
  ]);
});

describe('behind a mail server of one’s own, which reports what is refused to whom the return path names', () => {
  interface Behind extends AsyncDisposable {
    readonly taken: Unit[];
    readonly counters: Counters;
    /** Gives the answer: its code, 250 for what is sent. */
    send(message: Uint8Array, from: string, to?: string): Promise<number | string>;
  }

  /** A gateway, and a mail server in front of it or elsewhere. */
  async function openBehind({ isBehind = true, spoolWorks = true } = {}): Promise<Behind> {
    await using stack = new AsyncDisposableStack();
    const tls = await makeCertificate('mix1.test');
    const taken: Unit[] = [];
    const counters = createCounters(createMetrics());
    const take = async (one: Unit): Promise<void> => {
      if (!spoolWorks) throw new Error('no space left');
      taken.push(one);
    };
    const server = stack.use(
      await receive(
        {
          log: silentLog,
          counters,
          packetBytes,
          listen: { host: '127.0.0.1', port: 0 },
          ehlo: 'mix1.test',
          tls,
          domains: ['mix1.test'],
          isBehind: (address) => isBehind && address === '127.0.0.1',
          gateway: {
            attest: async (message) => {
              const from = /^From: <(.*)>/m.exec(Buffer.from(message).toString('latin1'))?.[1] ?? '';
              const author = parseMailbox(from);
              if (author?.domain === 'unknown.test') return { kind: 'temporary' };
              return author ? { kind: 'attested', domain: author.domain, author } : { kind: 'unattested' };
            },
            admit: (domain) =>
              domain === 'denied.test' ? 'denied' : domain === 'busy.test' ? 'limited' : 'admitted',
            takeForeign: async (message) => Buffer.from(message).includes('of ours'),
          },
        },
        { exit: { take, close: async () => undefined } },
      ),
    );
    const sender = stack.use(createSmtpSender({ ehloName: 'mx.mix1.test' }));
    const peer = { host: '127.0.0.1', port: server.address.port, tlsPin: tls.pin };
    const opened = stack.move();
    return {
      taken,
      counters,
      async send(message, from, to = 'secure@mix1.test') {
        const result = await sender.send(peer, { from, to, message });
        if (result.kind === 'sent') return 250;
        return result.kind === 'refused' ? result.code : result.kind;
      },
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  }

  function carriage(
    fromDomain = 'a.test',
    kind: 'packet' | 'exit' = 'exit',
    bytes = packetBytes,
    account?: string,
  ): Uint8Array {
    const first = kind === 'exit' ? 0x81 : 1;
    return makeCarriage({
      ...(account === undefined ? {} : { account }),
      fromDomain,
      toDomain: 'mix1.test',
      bytes: Uint8Array.of(first, ...systemRandom.bytes(bytes - 1)),
      now: new Date(0),
      random: (length) => systemRandom.bytes(length),
    });
  }

  function firstLines(message: Uint8Array): Uint8Array {
    return message.subarray(0, Buffer.from(message).lastIndexOf('\r\n', -2_000) + 2);
  }

  const garbage = Buffer.from('From: <v@c.test>\r\n\r\nbuy this\r\n');
  const received = 'Received: by x\r\n';
  const never: [why: string, message: Uint8Array, code: number, outcome: string | undefined][] = [
    ['no carriage', garbage, 554, 'malformed'],
    ['one of another size', carriage('a.test', 'exit', packetBytes - 1), 554, 'malformed'],
    ['a truncated one', firstLines(carriage()), 554, 'malformed'],
    ['one with too long a trace', carriageUnder(100_000), 552, undefined],
    [
      'what goes round in circles',
      Buffer.concat([Buffer.from(received.repeat(51)), carriage()]),
      554,
      'loop',
    ],
    ['a packet at a gateway that is no mix', carriage('a.test', 'packet'), 554, 'wrong-kind'],
    ['one of a domain that is denied', carriage('denied.test'), 550, 'denied'],
  ];
  const counted = async (counters: Counters): Promise<Record<string, number>> =>
    Object.fromEntries(Object.entries((await counters.values()).received).filter(([, count]) => count > 0));

  test.each(never)('%s is dropped if a stranger would be told', async (_, message, code, outcome) => {
    await using behind = await openBehind();
    for (const from of ['v@c.test', 'alice@mix1.test', 'secure-@c.test'])
      expect(await behind.send(message, from)).toBe(250);
    expect(await counted(behind.counters)).toEqual({ discarded: 3 });
    for (const from of ['secure@a.test', '']) expect(await behind.send(message, from)).toBe(code);
    expect(await counted(behind.counters)).toEqual({ discarded: 3, ...(outcome && { [outcome]: 2 }) });
    expect(behind.taken).toEqual([]);
  });

  test('an account of a domain that is denied is told, by the very mailbox that the domain signed', async () => {
    await using behind = await openBehind();
    const message = carriage('denied.test', 'exit', packetBytes, 'Eve@denied.test');
    expect(await behind.send(message, 'Eve@Denied.test')).toBe(550);
    expect(await counted(behind.counters)).toEqual({ denied: 1 });
    for (const from of ['v@denied.test', 'Eve@c.test', 'Eve@sub.denied.test', 'eve@denied.test'])
      expect(await behind.send(message, from)).toBe(250);
    expect(await counted(behind.counters)).toEqual({ denied: 1, discarded: 4 });
    expect(behind.taken).toEqual([]);
  });

  test.each(never)('%s of anybody else is refused', async (_, message, code, outcome) => {
    await using elsewhere = await openBehind({ isBehind: false });
    expect(await elsewhere.send(message, 'v@c.test')).toBe(code);
    expect(await counted(elsewhere.counters)).toEqual(outcome === undefined ? {} : { [outcome]: 1 });
  });

  test('its mailbox is meant in whatever case, and no other', async () => {
    await using behind = await openBehind();
    for (const to of ['SECURE@mix1.test', 'Secure@MIX1.test'])
      expect(await behind.send(garbage, 'v@c.test', to)).toBe(250);
    for (const to of ['secure+x@mix1.test', 'secure@sub.mix1.test', 'postmaster@mix1.test'])
      expect(await behind.send(garbage, 'v@c.test', to)).toBe(550);
    expect(await counted(behind.counters)).toEqual({ discarded: 2 });
    await using elsewhere = await openBehind({ isBehind: false });
    expect(await elsewhere.send(carriage(), 'v@c.test', 'SECURE@mix1.test')).toBe(550);
  });

  test('what cannot be taken now is asked for again, whoever sent it', async () => {
    await using full = await openBehind({ spoolWorks: false });
    expect(await full.send(carriage(), 'v@c.test')).toBe('deferred');
    await using behind = await openBehind();
    for (const domain of ['busy.test', 'unknown.test'])
      expect(await behind.send(carriage(domain), 'v@c.test')).toBe('deferred');
    expect(await counted(behind.counters)).toEqual({ limited: 1, deferred: 1 });
  });

  test('carriages and reports are taken', async () => {
    await using behind = await openBehind();
    for (const from of ['v@c.test', 'secure@a.test', ''])
      expect(await behind.send(carriage(), from)).toBe(250);
    expect(await behind.send(Buffer.from('Subject: of ours\r\n\r\nx\r\n'), '')).toBe(250);
    expect(behind.taken).toHaveLength(3);
    expect(await counted(behind.counters)).toEqual({ accepted: 3, reported: 1 });
  });
});
