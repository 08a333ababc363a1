import { expect, test } from 'vitest';
import { Collector, minCapacity } from './collector.ts';
import { DataReader } from './data.ts';

const line = `${'x'.repeat(62)}\r\n`;

test('octet by octet takes up less than four times the octets that came', () => {
  const collector = new Collector(100_000);
  let excess = 0;
  for (let length = 1; length <= 100_000; length += 1) {
    collector.add(Buffer.of(length));
    excess = Math.max(excess, collector.capacity - Math.min(Math.max(4 * length, minCapacity), 100_000));
  }
  expect(excess).toBe(0);
  expect(collector.take()).toEqual(Buffer.from(Uint8Array.from({ length: 100_000 }, (_, at) => at + 1)));
});

test('what is held is a copy: a chunk may be a small part of a large record', () => {
  const collector = new Collector(10);
  const record = Buffer.from('abc');
  collector.add(record);
  record.fill(0);
  expect(collector.take().toString()).toBe('abc');
});

test('a message read octet by octet is held in one buffer of about its own size', () => {
  const message = Buffer.from(line.repeat(1024), 'latin1');
  const reader = new DataReader(100_000);
  let excess = 0;
  for (const octet of message) {
    reader.take(Buffer.of(octet));
    excess = Math.max(excess, reader.heldBytes - Math.min(Math.max(4 * reader.bytes, minCapacity), 100_000));
  }
  expect(excess).toBe(0);
  expect(reader.heldBytes).toBeGreaterThanOrEqual(message.length - 2); // the last CR waits for its LF
  reader.take(Buffer.from('.\r\n'));
  expect(reader.end()).toEqual({ kind: 'message', bytes: message });
});

test('a message that is refused is held no longer', () => {
  const reader = new DataReader(100_000);
  reader.take(Buffer.from(line.repeat(100)));
  expect(reader.heldBytes).toBeGreaterThanOrEqual(100 * line.length);
  reader.take(Buffer.from('a\nb\r\n'));
  reader.take(Buffer.from(line.repeat(100)));
  expect(reader.heldBytes).toBe(0);
});
