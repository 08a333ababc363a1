import { describe, expect, test, vi } from 'vitest';
import { below, systemRandom } from '../primitives/index.ts';
import { at, flipBit, testPath, walk } from '../testing/path.ts';
import { seeded } from '../testing/seeded.ts';
import { buildPacket } from './build.ts';
import { defaultGeometry, geometry, prefixBytes } from './geometry.ts';
import { peel } from './peel.ts';
import { createSurb, openReply, useSurb } from './surb.ts';
import { decodeUnit } from './unit.ts';

// Tens of thousands of peels: seconds on a quiet machine, minutes on a crowded one.
vi.setConfig({ testTimeout: 300_000 });

/** 256 bytes of payload: small enough to try every bit of the body. */
const small = geometry({ suite: 1, hops: 3, routingBytes: 307, packetBytes: 6 + 3 * 1443 + 16 + 256 });

/** Whoever marks a packet on one wire must not know it again on another. */
describe('C9 a tag', () => {
  describe('header', () => {
    const path = testPath(small);
    const key = at(path.keys, 0);
    const packet = buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(256));
    const headerBits = 8 * (prefixBytes + small.headerBytes);

    test(`every single one of the ${headerBits} bits of prefix and header, flipped, is refused at the first hop`, () => {
      const kinds = new Set<string>();
      for (let bit = 0; bit < headerBits; bit++) kinds.add(peel(small, key, flipBit(packet, bit)).kind);
      expect([...kinds]).toEqual(['refused']);
    });

    test('one bit in 33 of the live header, flipped, is refused at the second and third hop', () => {
      const wires = relayed(packet);
      for (const hop of [1, 2]) {
        const wire = at(wires, hop - 1);
        const live = 8 * (prefixBytes + (3 - hop) * small.layerBytes);
        const kinds = new Set<string>();
        for (let bit = hop % 8; bit < live; bit += 33) {
          kinds.add(peel(small, at(path.keys, hop), flipBit(wire, bit)).kind);
        }
        expect([...kinds]).toEqual(['refused']);
      }
    });

    test('a flip in the fill behind the live header changes nothing that a node makes of the packet', () => {
      const wires = relayed(packet);
      for (const hop of [1, 2]) {
        const wire = at(wires, hop - 1);
        const chance = () => seeded('fill');
        const whole = peel(small, at(path.keys, hop), wire, chance());
        const first = 8 * (prefixBytes + (3 - hop) * small.layerBytes);
        for (let bit = first; bit < headerBits; bit += 97) {
          expect(peel(small, at(path.keys, hop), flipBit(wire, bit), chance())).toEqual(whole);
        }
      }
    });

    function relayed(first: Uint8Array): Uint8Array[] {
      return walk(small, path, first).flatMap((peeled) => (peeled.kind === 'relay' ? [peeled.packet] : []));
    }
  });

  describe('body', () => {
    test.each([
      [0, 'every bit', 1],
      [1, 'every 7th bit', 7],
      [2, 'every 7th bit', 7],
    ])(
      'before hop %i, %s of a body with 256 bytes of payload, flipped, fails at the exit',
      (hop, _, step) => {
        const path = testPath(small);
        const packet = buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(256));
        const wire = at(
          [packet, ...walk(small, path, packet).flatMap((p) => (p.kind === 'relay' ? [p.packet] : []))],
          hop,
        );
        for (let bit = 8 * (small.packetBytes - small.bodyBytes); bit < 8 * small.packetBytes; bit += step) {
          const last = walk(small, path, flipBit(wire, bit), hop);
          expect(last).toHaveLength(3 - hop);
          expect(last.at(-1)).toEqual({ kind: 'refused', reason: 'bad-body' });
        }
      },
    );

    test('a seeded sample of 300 bits of a 32 KiB packet, flipped, fails at the exit', () => {
      const g = defaultGeometry;
      const path = testPath(g);
      const packet = buildPacket(
        g,
        path.epoch,
        path.hops,
        { domain: 'b.test' },
        new Uint8Array(g.payloadBytes),
      );
      const chance = seeded('body bits');
      for (let i = 0; i < 300; i++) {
        const bit = 8 * (g.packetBytes - g.bodyBytes) + below(chance, 8 * g.bodyBytes);
        expect(walk(g, path, flipBit(packet, bit)).at(-1)).toEqual({ kind: 'refused', reason: 'bad-body' });
      }
    });

    test('every 7th bit of a reply, flipped, passes the mixes and is refused by its owner', () => {
      const path = testPath(small);
      const { surb, secrets } = createSurb(small, path.epoch, path.hops, { domain: 'a.test' });
      const { packet } = useSurb(small, surb, new Uint8Array(256));
      for (let bit = 8 * (small.packetBytes - small.bodyBytes); bit < 8 * small.packetBytes; bit += 7) {
        const last = walk(small, path, flipBit(packet, bit)).at(-1);
        if (last?.kind !== 'exit') throw new Error('a mix looked into a reply');
        const unit = decodeUnit(small, last.unit);
        if (unit.kind !== 'reply') throw new Error('no reply');
        expect(openReply(small, secrets, unit.body)).toEqual({ kind: 'refused', reason: 'bad-body' });
      }
    });

    test('a body of another packet under this header fails at the exit', () => {
      const path = testPath(small);
      const [one, other] = [1, 2].map((value) =>
        buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(256).fill(value)),
      );
      const mixed = (one ?? new Uint8Array()).slice();
      mixed.set((other ?? mixed).subarray(-small.bodyBytes), small.packetBytes - small.bodyBytes);
      expect(walk(small, path, mixed).at(-1)).toEqual({ kind: 'refused', reason: 'bad-body' });
    });
  });
});

describe('length', () => {
  const path = testPath(defaultGeometry);
  const payload = new Uint8Array(defaultGeometry.payloadBytes);
  const packet = buildPacket(defaultGeometry, path.epoch, path.hops, { domain: 'b.test' }, payload);
  const key = at(path.keys, 0);
  const refused = { kind: 'refused', reason: 'wrong-length' };

  test('every truncation, to each of 32,768 lengths, is refused', () => {
    for (let length = 0; length < packet.length; length++) {
      const peeled = peel(defaultGeometry, key, packet.subarray(0, length));
      if (peeled.kind !== 'refused' || peeled.reason !== 'wrong-length')
        throw new Error(`${length} bytes pass`);
    }
    expect(peel(defaultGeometry, key, packet).kind).toBe('relay');
  });

  test.each([1, 2, 16, 1456, 32_768])('%i bytes more are refused', (more) => {
    const longer = new Uint8Array(packet.length + more);
    longer.set(packet);
    expect(peel(defaultGeometry, key, longer)).toEqual(refused);
  });
});

describe('noise', () => {
  const path = testPath(small);
  const key = at(path.keys, 0);

  test('random bytes of the right length behind a right prefix are refused, never thrown at', () => {
    for (let i = 0; i < 500; i++) {
      const noise = systemRandom.bytes(small.packetBytes);
      noise.set([1, 0, 0, 0, path.epoch, 1 + (i % 3)]);
      expect(peel(small, key, noise)).toEqual({ kind: 'refused', reason: 'bad-header' });
    }
  });

  test.each([0x00, 0xff, 0x55])('a packet of %i in every byte is refused', (value) => {
    expect(peel(small, key, new Uint8Array(small.packetBytes).fill(value)).kind).toBe('refused');
  });

  test('a view into a larger buffer, or a Buffer, is as good as an array, and is not written to', () => {
    const packet = buildPacket(small, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(256));
    const larger = new Uint8Array(packet.length + 20).fill(1);
    larger.set(packet, 7);
    const buffer = Buffer.from(packet);
    for (const view of [larger.subarray(7, 7 + packet.length), buffer]) {
      const last = walk(small, path, view).at(-1);
      expect(last?.kind).toBe('exit');
      expect(Buffer.compare(view, packet)).toBe(0);
    }
  });

  test('what is made of a Buffer is a copy', () => {
    const unit = Buffer.concat([Buffer.of(0x81), systemRandom.bytes(small.packetBytes - 1)]);
    const decoded = decodeUnit(small, unit);
    if (decoded.kind !== 'envelope') throw new Error('no envelope');
    const before = decoded.envelope.join();
    unit.fill(0);
    expect(decoded.envelope.join()).toBe(before);
  });
});
