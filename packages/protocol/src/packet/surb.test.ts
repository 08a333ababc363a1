import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../primitives/index.ts';
import { at, testPath, walk } from '../testing/path.ts';
import { buildPacket } from './build.ts';
import { geometry } from './geometry.ts';
import { createSurb, openReply, surbBytes, useSurb } from './surb.ts';
import { decodeUnit } from './unit.ts';

describe.each([1, 2])('suite %i', (suite) => {
  const g = geometry({ suite, hops: 3, routingBytes: 307, packetBytes: 6 + 3 * 1443 + 16 + 100 });
  const path = testPath(g);
  const make = () => createSurb(g, path.epoch, path.hops, { domain: 'a.test' });

  test('what its holder says comes back to its maker', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 100, maxLength: 100 }), (payload) => {
        const { surb, id, secrets } = make();
        expect(surb).toHaveLength(surbBytes(g));
        expect(id).toHaveLength(16);
        const { firstNode, packet } = useSurb(g, surb, payload);
        expect(firstNode).toEqual(at(path.hops, 0).nodeId);
        const { surbId, body } = arrived(packet);
        expect(surbId).toEqual(id);
        expect(openReply(g, secrets, body)).toEqual({ kind: 'reply', payload });
      }),
      { numRuns: 20 },
    );
  });

  test('on every wire a reply and a forward packet have the same length and, but for random bytes, the same prefix', () => {
    const forward = buildPacket(g, path.epoch, path.hops, { domain: 'a.test' }, new Uint8Array(100));
    const reply = useSurb(g, make().surb, new Uint8Array(100)).packet;
    const wires = [forward, reply].map((packet) => [
      packet,
      ...walk(g, path, packet).map((peeled) => {
        if (peeled.kind === 'refused') throw new Error(peeled.reason);
        return peeled.kind === 'relay' ? peeled.packet : peeled.unit;
      }),
    ]);
    const shapes = wires.map((packets) => packets.slice(0, 3).map((p) => [p.length, ...p.subarray(0, 6)]));
    expect(shapes[0]).toEqual(shapes[1]);
    expect(wires.map((packets) => packets.map((p) => p.length))).toEqual(
      [1, 2].map(() => [1, 2, 3, 4].map(() => g.packetBytes)),
    );
  });

  test('a second reply from one SURB has the replay tag of the first at every hop', () => {
    const { surb } = make();
    const tags = [1, 2].map((value) =>
      walk(g, path, useSurb(g, surb, new Uint8Array(100).fill(value)).packet).map((peeled) =>
        peeled.kind === 'refused' ? peeled.reason : peeled.replayTag.join(),
      ),
    );
    expect(tags[0]).toEqual(tags[1]);
    expect(tags[0]).toHaveLength(3);
  });

  test('nothing is opened with the secrets of another SURB', () => {
    const { body } = arrived(useSurb(g, make().surb, new Uint8Array(100)).packet);
    expect(openReply(g, make().secrets, body)).toEqual({ kind: 'refused', reason: 'bad-body' });
  });

  test('a forward packet on the header of a SURB comes to its maker as noise', () => {
    const { surb, secrets } = make();
    const { packet } = useSurb(g, surb, new Uint8Array(100));
    packet.set(systemRandom.bytes(g.bodyBytes), g.packetBytes - g.bodyBytes);
    expect(openReply(g, secrets, arrived(packet).body)).toEqual({ kind: 'refused', reason: 'bad-body' });
  });

  test('two SURBs share nothing but the first node and the prefix', () => {
    const [one, two] = [make(), make()];
    expect(one.id).not.toEqual(two.id);
    expect(one.surb.subarray(0, 38)).toEqual(two.surb.subarray(0, 38));
    expect(one.surb.subarray(38, 70)).not.toEqual(two.surb.subarray(38, 70));
    expect(one.surb.subarray(-128)).not.toEqual(two.surb.subarray(-128));
  });

  test('bytes that are no SURB of this geometry make no packet', () => {
    const { surb } = make();
    const attempts = [
      surb.subarray(1),
      Uint8Array.of(...surb, 0),
      new Uint8Array(0),
      surb.with(32, 3 - suite),
      surb.with(37, 2),
      surb.with(37, 0),
    ];
    for (const bytes of attempts) {
      expect(() => useSurb(g, bytes, new Uint8Array(100))).toThrow(
        expect.objectContaining({ code: 'wrong-surb' }),
      );
    }
    expect(() => useSurb(g, surb, new Uint8Array(99))).toThrow(
      expect.objectContaining({ code: 'wrong-length' }),
    );
  });

  test('a body or secrets of another length open nothing', () => {
    const { surb, secrets } = make();
    const { body } = arrived(useSurb(g, surb, new Uint8Array(100)).packet);
    expect(openReply(g, secrets, body.subarray(1))).toEqual({ kind: 'refused', reason: 'wrong-length' });
    expect(() => openReply(g, secrets.subarray(1), body)).toThrow(
      expect.objectContaining({ code: 'wrong-length' }),
    );
  });

  function arrived(packet: Uint8Array): { surbId: Uint8Array; body: Uint8Array } {
    const last = walk(g, path, packet).at(-1);
    if (last?.kind !== 'exit') throw new Error('the reply did not leave');
    expect(last.domain).toBe('a.test');
    const unit = decodeUnit(g, last.unit);
    if (unit.kind !== 'reply') throw new Error('no reply');
    return unit;
  }
});

test('no bytes make decodeUnit throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
      const g = geometry({ suite: 1, hops: 3, routingBytes: 307, packetBytes: 4500 });
      expect(['envelope', 'reply', 'refused']).toContain(decodeUnit(g, bytes).kind);
    }),
  );
});
