import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../errors.ts';
import { defaultGeometry, geometry, geometryDigest } from './geometry.ts';
import { surbBytes } from './surb.ts';

const given = { suite: 1, hops: 3, routingBytes: 320, packetBytes: 32_768 };

test('the default is what the specification says', () => {
  expect(defaultGeometry).toEqual({
    ...given,
    layerBytes: 1456,
    headerBytes: 4368,
    bodyBytes: 28_394,
    payloadBytes: 28_378,
  });
  expect(surbBytes(defaultGeometry)).toBe(4534);
});

describe('nonsense is refused', () => {
  test.each([
    { suite: 0 },
    { suite: 3 },
    { suite: 0x81 },
    { hops: 0 },
    { hops: 17 },
    { hops: 2.5 },
    { routingBytes: 306 },
    { routingBytes: 4097 },
    { packetBytes: 0 },
    { packetBytes: 6 + 4368 + 16 + 63 },
    { packetBytes: 2 ** 24 + 1 },
    { packetBytes: Number.NaN },
    { packetBytes: -32_768 },
  ])('%o', (change) => {
    expect(() => geometry({ ...given, ...change })).toThrow(ProtocolError);
  });

  test('the bounds themselves are not', () => {
    expect(geometry({ ...given, packetBytes: 6 + 4368 + 16 + 64 }).payloadBytes).toBe(64);
    expect(geometry({ ...given, routingBytes: 307 }).layerBytes).toBe(1443);
    expect(geometry({ suite: 2, hops: 16, routingBytes: 4096, packetBytes: 2 ** 24 }).hops).toBe(16);
  });
});

const numbers = fc.record({
  suite: fc.constantFrom(1, 2),
  hops: fc.integer({ min: 1, max: 16 }),
  routingBytes: fc.integer({ min: 307, max: 4096 }),
  packetBytes: fc.integer({ min: 100_000, max: 2 ** 24 }),
});

test('the parts add up to the packet', () => {
  fc.assert(
    fc.property(numbers, (p) => {
      const g = geometry(p);
      expect(6 + g.hops * g.layerBytes + 16 + g.payloadBytes).toBe(g.packetBytes);
    }),
  );
});

test('different numbers have different digests', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      const [one, two] = [a, b].map((p) => geometryDigest(geometry(p)));
      expect(JSON.stringify(one) === JSON.stringify(two)).toBe(same);
    }),
  );
});
