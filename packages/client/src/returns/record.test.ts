import { defaultGeometry } from '@postern/protocol/packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeReturn, encodeReturn, type ReturnRecord, type ReturnSecret } from './record.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const hex = bytes(16).map((value) => Buffer.from(value).toString('hex'));
const secrets: fc.Arbitrary<ReturnSecret> = fc.oneof(
  bytes(512).map((value) => ({ kind: 'surb' as const, secrets: value, geometry: defaultGeometry })),
  bytes(32).map((key) => ({ kind: 'domain' as const, key })),
  fc.constant({ kind: 'none' as const }),
);
const records: fc.Arbitrary<ReturnRecord> = fc.record({
  token: hex,
  set: hex,
  messageId: fc.string(),
  expires: fc.nat(),
  secret: secrets,
});

test('what is written is read', () => {
  fc.assert(
    fc.property(records, (record) => {
      expect(decodeReturn(encodeReturn(record), record.token)).toEqual(record);
    }),
  );
});

test('anything else is no record', () => {
  fc.assert(
    fc.property(records, fc.nat(), ({ token, ...record }, at) => {
      const text = encodeReturn({ token, ...record });
      expect(decodeReturn(text.slice(0, at % text.length), token)).toBeUndefined();
    }),
  );
  const record = { version: 1, kind: 'none', set: 'ab'.repeat(16), messageId: '<x@a.test>', expires: 1 };
  expect(decodeReturn(JSON.stringify(record), '')).toBeDefined();
  for (const change of [
    { version: 2 },
    { kind: 'other' },
    { set: '../../x' },
    { expires: -1 },
    { key: 'ab'.repeat(32) },
    { kind: 'domain' },
    { kind: 'domain', key: 'ab' },
    { kind: 'surb', secrets: 'ab', geometry: { suite: 1, hops: 99, routingBytes: 320, packetBytes: 32_768 } },
  ])
    expect(decodeReturn(JSON.stringify({ ...record, ...change }), '')).toBeUndefined();
});
