import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePacketFile, encodePacketFile, type Next, type OutboxPacket } from './packetfile.ts';

const hex = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((id) => Buffer.from(id).toString('hex'));
const nexts: fc.Arbitrary<Next> = fc.oneof(
  hex(32).map((id) => ({ kind: 'node' as const, id })),
  fc.record({ kind: fc.constant('domain' as const), domain: fc.domain(), tlsOptional: fc.boolean() }),
  fc.constant({ kind: 'domain' as const, domain: `${'a.'.repeat(126)}b`, tlsOptional: true }),
);
const packets: fc.Arbitrary<OutboxPacket> = fc.record({
  bytes: fc.uint8Array({ maxLength: 300 }),
  next: nexts,
  expires: fc.nat(10_000_000_000),
});
const given = fc.oneof(
  packets,
  fc.record({ packet: packets, token: hex(16) }).map(({ packet, token }) => ({ ...packet, token })),
);

test('what is written is read', () => {
  fc.assert(
    fc.property(given, (packet) => {
      expect(decodePacketFile(Buffer.from(encodePacketFile(packet)), 'ab')).toEqual(packet);
    }),
  );
});

test('a file that was cut or grown is refused', () => {
  const changes = fc.integer({ min: -400, max: 20 }).filter((change) => change !== 0);
  fc.assert(
    fc.property(given, changes, (packet, change) => {
      const whole = Buffer.concat([encodePacketFile(packet), Buffer.alloc(Math.max(0, change))]);
      const file = whole.subarray(0, Math.max(0, whole.length + Math.min(0, change)));
      expect(() => decodePacketFile(file, 'ab')).toThrow('is no packet');
    }),
  );
});

test('one of the older version is read', () => {
  const id = 'ab'.repeat(32);
  const line = `{"version":1,"firstNode":"${id}","expires":17,"bytes":2}\n`;
  expect(decodePacketFile(Buffer.from(`${line}xy`), 'ab')).toEqual({
    bytes: new Uint8Array(Buffer.from('xy')),
    next: { kind: 'node', id },
    expires: 17,
  });
});
