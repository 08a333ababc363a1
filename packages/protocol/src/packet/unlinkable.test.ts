import { describe, expect, test, vi } from 'vitest';
import { at, testPath, walk } from '../testing/path.ts';
import { seeded } from '../testing/seeded.ts';
import { buildPacket } from './build.ts';
import { defaultGeometry as g } from './geometry.ts';
import { createSurb, useSurb } from './surb.ts';

// Seconds on a quiet machine, minutes on a crowded one.
vi.setConfig({ testTimeout: 300_000 });

const packets = 1000;

describe('no run of 16 bytes of a packet occurs in what a node makes of it', () => {
  test(`over ${packets} packets of 32 KiB, forward and reply in turn: on no wire is a run of any earlier wire`, () => {
    const path = testPath(g);
    const payload = new Uint8Array(g.payloadBytes).fill(0x20);
    for (let i = 0; i < packets; i++) {
      const wires = i % 2 === 0 ? forward(payload) : reply(payload);
      expect(wires).toHaveLength(4);
      const earlier = new RunIndex(wires.length);
      for (const [later, wire] of wires.entries()) {
        if (earlier.sharesRunWith(wire))
          throw new Error(`packet ${i}: a run of an earlier wire on wire ${later}`);
        earlier.add(wire);
      }
    }

    function forward(content: Uint8Array): Uint8Array[] {
      return wiresOf(buildPacket(g, path.epoch, path.hops, { domain: 'b.test' }, content));
    }

    function reply(content: Uint8Array): Uint8Array[] {
      const { surb } = createSurb(g, path.epoch, path.hops, { domain: 'a.test' });
      return wiresOf(useSurb(g, surb, content).packet);
    }

    function wiresOf(packet: Uint8Array): Uint8Array[] {
      const made = walk(g, path, packet).map((peeled) => {
        if (peeled.kind === 'refused') throw new Error(peeled.reason);
        return peeled.kind === 'relay' ? peeled.packet : peeled.unit;
      });
      return [packet, ...made];
    }
  });

  test('the search finds a run of 16 bytes wherever it stands, and no run of 15', () => {
    const chance = seeded('runs');
    const input = chance.bytes(g.packetBytes);
    const index = new RunIndex(1);
    index.add(input);
    for (let from = 0; from < 40; from++) {
      const to = 100 + 3 * from;
      const output = chance.bytes(g.packetBytes);
      output.set(input.subarray(from, from + 15), to);
      output[to + 15] = 255 - (input[from + 15] ?? 0);
      output[to - 1] = 255 - (input[from - 1] ?? 0);
      expect(index.sharesRunWith(output)).toBe(false);
      output.set(input.subarray(from, from + 16), to);
      expect(index.sharesRunWith(output)).toBe(true);
    }
  });
});

test('all wires of all packets have one size, replies included', () => {
  const path = testPath(g);
  const payload = new Uint8Array(g.payloadBytes);
  const { surb } = createSurb(g, path.epoch, path.hops, { domain: 'a.test' });
  const sizes = [
    buildPacket(g, path.epoch, path.hops, { domain: 'b.test' }, payload),
    useSurb(g, surb, payload).packet,
  ].flatMap((packet) => [
    packet.length,
    ...walk(g, path, packet).map((peeled) => {
      if (peeled.kind === 'refused') throw new Error(peeled.reason);
      return peeled.kind === 'relay' ? peeled.packet.length : peeled.unit.length;
    }),
  ]);
  expect(sizes).toHaveLength(8);
  expect([...new Set(sizes)]).toEqual([g.packetBytes]);
});

test('the same packet peeled twice differs in the fill alone, and has the same replay tag', () => {
  const path = testPath(g);
  const packet = buildPacket(g, path.epoch, path.hops, { domain: 'b.test' }, new Uint8Array(g.payloadBytes));
  const [one, two] = [1, 2].map(() => at(walk(g, path, packet), 0));
  if (one?.kind !== 'relay' || two?.kind !== 'relay') throw new Error('not relayed');
  expect(one.replayTag).toEqual(two.replayTag);
  const fill = [6 + 2 * g.layerBytes, 6 + 3 * g.layerBytes] as const;
  expect(one.packet.subarray(0, fill[0])).toEqual(two.packet.subarray(0, fill[0]));
  expect(one.packet.subarray(fill[1])).toEqual(two.packet.subarray(fill[1]));
  expect(one.packet.subarray(...fill)).not.toEqual(two.packet.subarray(...fill));
});

const run = 16;

/**
 * Finds 16 bytes in a row, at any place of any wire added, that stand anywhere in another. Such a run covers eight bytes of the
 * added wire at a multiple of eight, so it is enough to look for the first four of those and to measure what stands around them.
 */
class RunIndex {
  readonly #wires: Uint8Array[] = [];
  readonly #heads: Int32Array = new Int32Array(1 << 16).fill(-1);
  readonly #nexts: Int32Array;
  #marks = 0;

  constructor(wires: number) {
    this.#nexts = new Int32Array(wires * marksEach);
  }

  add(wire: Uint8Array): void {
    this.#wires.push(wire);
    for (let mark = 0; mark < marksEach; mark++, this.#marks++) {
      const bucket = bucketAt(wire, 8 * mark);
      this.#nexts[this.#marks] = this.#heads[bucket] as number;
      this.#heads[bucket] = this.#marks;
    }
  }

  sharesRunWith(output: Uint8Array): boolean {
    for (let place = 0; place + 4 <= output.length; place++) {
      let mark = this.#heads[bucketAt(output, place)] as number;
      for (; mark >= 0; mark = this.#nexts[mark] as number) {
        const wire = at(this.#wires, Math.floor(mark / marksEach));
        if (runAround(wire, 8 * (mark % marksEach), output, place) >= run) return true;
      }
    }
    return false;
  }
}

const marksEach = g.packetBytes / 8;

function bucketAt(bytes: Uint8Array, place: number): number {
  const byte = (i: number) => bytes[place + i] as number;
  const word = (byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3);
  return Math.imul(word, 0x9e3779b1) >>> 16;
}

function runAround(a: Uint8Array, atA: number, b: Uint8Array, atB: number): number {
  let before = 0;
  while (atA > before && atB > before && a[atA - before - 1] === b[atB - before - 1]) before++;
  let after = 0;
  while (atA + after < a.length && atB + after < b.length && a[atA + after] === b[atB + after]) after++;
  return before + after;
}
