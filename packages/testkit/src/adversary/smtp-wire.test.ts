import { expect, test } from 'vitest';
import { SeededRandom } from '../chance/seeded-random.ts';
import { transfersOf } from './smtp-wire.ts';
import type { Chunk } from './tap.ts';

const chance = new SeededRandom('wire');

/** TLS records of application data around content of these lengths: 5 bytes of header, 17 beside the content. */
function records(...contents: readonly number[]): Buffer {
  return Buffer.concat(
    contents.map((length) => {
      const header = Buffer.from([23, 3, 3, 0, 0]);
      header.writeUInt16BE(length + 17, 3);
      return Buffer.concat([header, chance.bytes(length + 17)]);
    }),
  );
}

const handshake = Buffer.concat([Buffer.from([22, 3, 3, 0, 40]), chance.bytes(40)]);
const text = (line: string): Buffer => Buffer.from(line, 'latin1');

/** An SMTP session with two messages, as lengths show it. */
const session: readonly (readonly [Chunk['direction'], Buffer])[] = [
  ['out', text('220 mix2.test ESMTP\r\n')],
  ['in', text('EHLO mix1.test\r\n')],
  ['out', text('250-mix2.test\r\n250 STARTTLS\r\n')],
  ['in', text('STARTTLS\r\n')],
  ['out', text('220 Ready\r\n')],
  ['in', handshake],
  ['out', Buffer.concat([handshake, records(900)])],
  ['in', records(53)],
  ['out', records(200, 200)],
  ['in', records(16)],
  ['out', records(120)],
  ['in', records(40)],
  ['out', records(8)],
  ['in', records(34)],
  ['out', records(8)],
  ['in', records(6)],
  ['out', records(14)],
  ['in', records(16_384, 16_384, 13_064)],
  ['out', records(20)],
  ['in', records(40)],
  ['out', records(8)],
  ['in', records(16_384, 16_384, 13_061, 3)],
  ['out', records(20)],
];

function cut(every: number): Chunk[] {
  let atMs = 0;
  return session.flatMap(([direction, bytes]) => {
    const parts: Chunk[] = [];
    for (let at = 0; at < bytes.length; at += every)
      parts.push({ atMs: atMs++, direction, bytes: new Uint8Array(bytes.subarray(at, at + every)) });
    return parts;
  });
}

test.each([1, 7, 1_000, 65_536])(
  'sees each message with its size and its sender, in chunks of %d bytes',
  (every) => {
    const chunks = cut(every);
    const transfers = transfersOf({ name: 'mix2.test', chunks, ended: true });
    expect(transfers).toMatchObject([
      { from: 'mix1.test', to: 'mix2.test', bytes: 45_832 },
      { from: 'mix1.test', to: 'mix2.test', bytes: 45_832 },
    ]);
    for (const { startedMs, endedMs } of transfers) expect(endedMs).toBeGreaterThanOrEqual(startedMs);
    expect(transfers[1]?.startedMs).toBeGreaterThan(transfers[0]?.endedMs ?? 0);
  },
);

test('tells of a message only once it has been answered', () => {
  const chunks = cut(65_536);
  expect(transfersOf({ name: 'mix2.test', chunks: chunks.slice(0, -1), ended: true })).toHaveLength(1);
});

test('sees nothing in what is no TLS', () => {
  const chunks = cut(65_536).filter(({ bytes }) => bytes.every((byte) => byte < 128));
  expect(transfersOf({ name: 'mix2.test', chunks, ended: true })).toEqual([]);
});
