import { createSmtpSender, makeCarriage, type SendResult, type SmtpServer } from '@postern/mail';
import { createMetrics, silentLog, systemRandom } from '@postern/runtime';
import { expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
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
      gateway: {
        attest: async () => ({ kind: 'attested', domain: 'p.test' }),
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
