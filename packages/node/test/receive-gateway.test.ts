import { createPrivateKey } from 'node:crypto';
import { createDkimSigner, makeCarriage } from '@postern/mail';
import { createMetrics, silentLog, systemRandom } from '@postern/runtime';
import { expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import { createAttest } from '../src/names.ts';
import { receive } from '../src/receive/receive.ts';
import { type Admit, createAdmit } from '../src/senders.ts';
import type { Unit } from '../src/spool.ts';
import { overTls, Program } from './conversation.ts';
import { makeCertificate } from './peers.ts';
import { fakeClock } from './support.ts';

const packetBytes = 32_768;

/** Every domain's, and what DNS says of it (RFC 8463): PKCS#8 around a secret of 32 octets. */
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
}).export({ format: 'pem', type: 'pkcs8' });
const key = { selector: 'fixed', algorithm: 'ed25519-sha256', privateKey: privateKey.toString() } as const;
const record = 'v=DKIM1; k=ed25519; p=6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=';
const zone: ReadonlyMap<string, string> = new Map(
  ['a.test', 'sub.a.test', 'b.test'].map((domain) => [`fixed._domainkey.${domain}`, record]),
);

interface Gateway extends AsyncDisposable {
  readonly taken: Unit[];
  /** The reply to the data of one carriage, signed by its domain unless by another. */
  send(domain: string, how?: { readonly trace?: string; readonly signedBy?: string }): Promise<string>;
}

async function openGateway(admit: Admit): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const taken: Unit[] = [];
  const line = { take: async (one: Unit) => void taken.push(one), close: async () => undefined };
  const server = stack.use(
    await receive(
      {
        log: silentLog,
        counters: createCounters(createMetrics()),
        packetBytes,
        listen: { host: '127.0.0.1', port: 0 },
        ehlo: 'mix1.test',
        tls: await makeCertificate('mix1.test'),
        domains: ['mix1.test'],
        isBehind: () => false,
        gateway: {
          attest: createAttest({ lookupTxt: async (name) => [zone.get(name) ?? ''] }, fakeClock(0)),
          admit,
          takeForeign: async () => false,
        },
      },
      { exit: line },
    ),
  );
  const program = stack.use(await Program.connect({ port: server.address.port, tls: 'starttls' }));
  await program.converse(overTls);
  const opened = stack.move();
  return {
    taken,
    async send(domain, { trace = '', signedBy = domain } = {}) {
      await program.converse(`
          C: MAIL FROM:<secure@${domain}>
          S: 250
          C: RCPT TO:<secure@mix1.test>
          S: 250
          C: DATA
          S: 354`);
      const carriage = makeCarriage({
        fromDomain: domain,
        toDomain: 'mix1.test',
        bytes: Uint8Array.of(0x81, ...systemRandom.bytes(packetBytes - 1)),
        now: new Date(0),
        random: (length) => systemRandom.bytes(length),
      });
      const signature = createDkimSigner({ domain: signedBy, keys: [key] }).sign(carriage);
      return program.data(Buffer.concat([Buffer.from(trace, 'latin1'), signature, carriage]));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

const replies = (given: readonly string[]): string[] => given.map((reply) => reply.slice(0, 9));

test('A1 a domain that sends too much is told 452, and no other is limited with it', async () => {
  const clock = fakeClock(0);
  const limits = { carriagesPerHour: 2, bytesPerHour: 1e9 };
  await using gateway = await openGateway(createAdmit({ accept: undefined, deny: [], limits }, clock));
  const sent: string[] = [];
  for (const domain of ['a.test', 'a.test', 'a.test', 'b.test', 'sub.a.test', 'a.test'])
    sent.push(await gateway.send(domain));
  expect(replies(sent)).toEqual([
    '250 2.6.0',
    '250 2.6.0',
    '452 4.7.1',
    '250 2.6.0',
    '250 2.6.0',
    '452 4.7.1',
  ]);
  expect(gateway.taken.map(({ attested }) => attested)).toEqual(['a.test', 'a.test', 'b.test', 'sub.a.test']);
  // Whoever signs in a name of their own, and writes another's into From, has that of neither.
  for (const [from, signedBy] of [
    ['a.test', 'b.test'],
    ['b.test', 'a.test'],
    ['a.test', 'sub.a.test'],
  ] as const)
    expect(replies([await gateway.send(from, { signedBy })])).toEqual(['250 2.6.0']);
  expect(gateway.taken.slice(4).map(({ attested }) => attested)).toEqual([undefined, undefined, undefined]);
  expect(replies([await gateway.send('b.test'), await gateway.send('b.test')])).toEqual([
    '250 2.6.0',
    '452 4.7.1',
  ]);
  await clock.advance(3_600_000);
  expect(replies([await gateway.send('a.test')])).toEqual(['250 2.6.0']);
});

test('B3 mail that has more than fifty Received goes round, and is refused', async () => {
  await using gateway = await openGateway(() => 'admitted');
  expect(replies([await gateway.send('a.test', { trace: 'Received: by x\r\n'.repeat(50) })])).toEqual([
    '250 2.6.0',
  ]);
  expect(replies([await gateway.send('a.test', { trace: 'received: by x\r\n'.repeat(51) })])).toEqual([
    '554 5.4.6',
  ]);
  expect(gateway.taken).toHaveLength(1);
});
