import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../errors.ts';
import { systemRandom } from '../primitives/index.ts';
import { at, testPath, walk } from '../testing/path.ts';
import { buildPacket } from './build.ts';
import { type Geometry, geometry } from './geometry.ts';
import { generateMixKey, loadMixKey } from './mixkey.ts';
import { packetEpoch, peel } from './peel.ts';
import { decodeUnit } from './unit.ts';

const sized = (suite: number, hops: number, payloadBytes = 100): Geometry =>
  geometry({ suite, hops, routingBytes: 307, packetBytes: 6 + hops * 1443 + 16 + payloadBytes });
const small = sized(1, 3);

describe.each([
  [1, 1],
  [1, 2],
  [1, 3],
  [2, 3],
  [2, 5],
])('suite %i over %i hops', (suite, hops) => {
  const g = sized(suite, hops);
  const path = testPath(g);

  test('each hop learns its own delay and next hop, the exit the payload', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 100, maxLength: 100 }),
        fc.array(fc.nat(2 ** 32 - 1), { minLength: hops, maxLength: hops }),
        (payload, delays) => {
          const delayed = path.hops.map((hop, i) => ({ ...hop, delayMs: at(delays, i) }));
          const peeled = walk(g, path, buildPacket(g, path.epoch, delayed, { domain: 'b.test' }, payload));
          expect(peeled).toHaveLength(hops);
          for (const [i, result] of peeled.slice(0, -1).entries()) {
            expect(result).toMatchObject({
              kind: 'relay',
              delayMs: at(delays, i),
              nextNode: at(path.hops, i + 1).nodeId,
            });
          }
          const last = at(peeled, hops - 1);
          if (last.kind !== 'exit') throw new Error(`the last hop says ${last.kind}`);
          expect([last.domain, last.delayMs]).toEqual(['b.test', at(delays, hops - 1)]);
          expect(decodeUnit(g, last.unit)).toEqual({ kind: 'envelope', envelope: payload });
        },
      ),
      { numRuns: 10 },
    );
  });

  test('all replay tags of a packet differ', () => {
    const peeled = walk(
      g,
      path,
      buildPacket(g, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(100)),
    );
    const tags = peeled.map((result) => (result.kind === 'refused' ? '' : result.replayTag.join()));
    expect(new Set(tags).size).toBe(hops);
    expect(tags).not.toContain('');
  });
});

describe('a layer is bound', () => {
  const path = testPath(small);
  const packet = buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(100));
  const seed = at(path.seeds, 0);
  const { nodeId } = at(path.hops, 0);
  const peelWith = (g: Geometry, node: Uint8Array, epoch: number, bytes: Uint8Array) =>
    peel(g, loadMixKey(seed, node, epoch, g), bytes);
  const badHeader = { kind: 'refused', reason: 'bad-header' };

  test('to the key', () => {
    expect(peelWith(small, nodeId, path.epoch, packet).kind).toBe('relay');
    expect(peel(small, loadMixKey(generateMixKey().seed, nodeId, path.epoch, small), packet)).toEqual(
      badHeader,
    );
  });

  test('to the node, even with the same key', () => {
    expect(peelWith(small, new Uint8Array(32).fill(99), path.epoch, packet)).toEqual(badHeader);
  });

  test('to the epoch, even with the same key', () => {
    expect(peelWith(small, nodeId, path.epoch + 1, packet)).toEqual({
      kind: 'refused',
      reason: 'wrong-epoch',
    });
    const patched = patch(packet, 4, path.epoch + 1);
    expect(packetEpoch(patched)).toBe(path.epoch + 1);
    expect(peelWith(small, nodeId, path.epoch + 1, patched)).toEqual(badHeader);
  });

  test('to the layer', () => {
    expect(peelWith(small, nodeId, path.epoch, patch(packet, 5, 2))).toEqual(badHeader);
    expect(peelWith(small, nodeId, path.epoch, patch(packet, 5, 3))).toEqual(badHeader);
  });

  test('to the suite', () => {
    const other = sized(2, 3);
    expect(peelWith(other, nodeId, path.epoch, packet)).toEqual({ kind: 'refused', reason: 'wrong-suite' });
    expect(peelWith(other, nodeId, path.epoch, patch(packet, 0, 2))).toEqual(badHeader);
  });

  test('to the geometry, even where the header has the same length', () => {
    const longer = sized(1, 3, 101);
    expect(peelWith(longer, nodeId, path.epoch, Uint8Array.of(...packet, 0))).toEqual(badHeader);
  });

  test('a key loaded for another geometry is a fault of the caller', () => {
    expect(() => peel(sized(1, 3, 101), at(path.keys, 0), packet)).toThrow(ProtocolError);
  });
});

describe('the replay tag', () => {
  const path = testPath(small);
  const key = at(path.keys, 0);
  const build = () => buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(100));

  test('is that of the shared secret: another body around the same header has the same', () => {
    const packet = build();
    const reframed = packet.slice();
    reframed.set(systemRandom.bytes(small.bodyBytes), small.packetBytes - small.bodyBytes);
    expect(tagOf(reframed)).toEqual(tagOf(packet));
  });

  test('at the second hop, another fill has the same', () => {
    const [first] = walk(small, path, build());
    if (first?.kind !== 'relay') throw new Error('not relayed');
    const refilled = first.packet.slice();
    refilled.set(systemRandom.bytes(small.layerBytes), 6 + 2 * small.layerBytes);
    const tags = [first.packet, refilled].map((packet) => peel(small, at(path.keys, 1), packet));
    expect(at(tags, 0)).toMatchObject({ kind: 'relay', replayTag: tagIn(at(tags, 1)) });
  });

  test('differs between packets, even of the same content', () => {
    expect(tagOf(build())).not.toEqual(tagOf(build()));
  });

  function tagOf(packet: Uint8Array): Uint8Array {
    return tagIn(peel(small, key, packet));
  }

  function tagIn(peeled: ReturnType<typeof peel>): Uint8Array {
    if (peeled.kind === 'refused') throw new Error(peeled.reason);
    return peeled.replayTag;
  }
});

describe('a builder is told of its faults', () => {
  const path = testPath(small);
  const payload = new Uint8Array(100);
  const first = at(path.hops, 0);
  const attempt = (change: {
    epoch?: number;
    hops?: typeof path.hops;
    domain?: string;
    payload?: Uint8Array;
  }) =>
    buildPacket(
      small,
      change.epoch ?? path.epoch,
      change.hops ?? path.hops,
      { domain: change.domain ?? 'b.test' },
      change.payload ?? payload,
    );
  const withFirst = (change: Partial<typeof first>) => ({
    hops: [{ ...first, ...change }, ...path.hops.slice(1)],
  });

  test.each([
    ['wrong-length', { payload: new Uint8Array(99) }],
    ['wrong-length', { payload: new Uint8Array(101) }],
    ['wrong-path', { hops: path.hops.slice(1) }],
    ['wrong-path', { hops: [...path.hops, first] }],
    ['wrong-path', { epoch: -1 }],
    ['wrong-path', { epoch: 2 ** 32 }],
    ['wrong-path', withFirst({ delayMs: -1 })],
    ['wrong-path', withFirst({ delayMs: 1.5 })],
    ['wrong-path', withFirst({ delayMs: 2 ** 32 })],
    ['wrong-path', withFirst({ nodeId: new Uint8Array(31) })],
    ['wrong-key', withFirst({ mixKey: new Uint8Array(1215) })],
    ['wrong-key', withFirst({ mixKey: new Uint8Array(1216).fill(0xff) })],
    ['wrong-domain', { domain: 'B.test' }],
    ['wrong-domain', { domain: '' }],
  ])('%s', (code, change) => {
    expect(() => attempt(change)).toThrow(expect.objectContaining({ name: 'ProtocolError', code }));
  });
});

test.each([
  ['seed', new Uint8Array(31), new Uint8Array(32), 1],
  ['node id', new Uint8Array(32), new Uint8Array(33), 1],
  ['epoch', new Uint8Array(32), new Uint8Array(32), -1],
])('a mix key with a wrong %s is not loaded', (_, seed, nodeId, epoch) => {
  expect(() => loadMixKey(seed, nodeId, epoch, small)).toThrow(
    expect.objectContaining({ code: 'wrong-key' }),
  );
});

test.each([0, 1, 5])('%i bytes claim no epoch', (length) => {
  expect(packetEpoch(new Uint8Array(length))).toBeUndefined();
});

test('with chance given, a packet is the same each time', () => {
  const path = testPath(small);
  const given = { bytes: (length: number) => new Uint8Array(length).fill(5) };
  const [one, two] = [1, 2].map(() =>
    buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(100), given),
  );
  expect(one).toEqual(two);
  expect(walk(small, path, one ?? new Uint8Array()).at(-1)?.kind).toBe('exit');
});

function patch(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  const patched = bytes.slice();
  patched[offset] = value;
  return patched;
}
