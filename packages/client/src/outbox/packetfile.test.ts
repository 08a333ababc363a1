import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePacketFile, encodePacketFile } from './packetfile.ts';

const packets = fc.record({
  bytes: fc.uint8Array({ maxLength: 300 }),
  firstNode: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => Buffer.from(id).toString('hex')),
  expires: fc.nat(10_000_000_000),
});

test('what is written is read', () => {
  fc.assert(
    fc.property(packets, (packet) => {
      expect(decodePacketFile(Buffer.from(encodePacketFile(packet)), 'ab')).toEqual(packet);
    }),
  );
});

test('a file that was cut or grown is refused', () => {
  const changes = fc.integer({ min: -400, max: 20 }).filter((change) => change !== 0);
  fc.assert(
    fc.property(packets, changes, (packet, change) => {
      const whole = Buffer.concat([encodePacketFile(packet), Buffer.alloc(Math.max(0, change))]);
      const file = whole.subarray(0, Math.max(0, whole.length + Math.min(0, change)));
      expect(() => decodePacketFile(file, 'ab')).toThrow('is no packet');
    }),
  );
});
