import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import {
  buildPacket,
  createSurb,
  decodeUnit,
  type Geometry,
  geometry,
  geometryDigest,
  type Hop,
  loadMixKey,
  openReply,
  type Peeled,
  packetEpoch,
  peel,
  surbBytes,
  type Unit,
  useSurb,
} from '@postern/protocol/packet';
import { describe, expect, test } from 'vitest';
import type { ForwardVector, ReplyVector, Vector, VectorFile, VectorHop } from '../vectors/format.ts';
import { parseHop, vectorFiles } from '../vectors/packet.ts';
import * as reference from './reference/packet.ts';

const folder = join(import.meta.dirname, '..', 'vectors');
const names = ['packet.json', 'packet-default.json'];
const vectors = names.flatMap((name) => (JSON.parse(read(name)) as VectorFile).vectors);

test('the generator makes the files that are there, byte for byte', () => {
  const made = vectorFiles();
  expect(Object.keys(made)).toEqual(names);
  expect(names.filter((name) => made[name] !== read(name))).toEqual([]);
});

test('every reason to refuse has a vector', () => {
  const reasons = vectors.flatMap((vector) => ('reason' in vector ? [vector.reason] : []));
  expect([...new Set(reasons)].sort()).toEqual(
    [
      'wrong-length',
      'wrong-suite',
      'wrong-epoch',
      'wrong-layer',
      'bad-header',
      'bad-command',
      'bad-reserved',
      'bad-domain',
      'bad-body',
      'unknown-kind',
    ].sort(),
  );
});

const whole = vectors.filter((vector) => vector.kind === 'forward' || vector.kind === 'reply');

describe.each(whole.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
  const { network } = vector;
  const g = geometry(network);

  test('the geometry has its digest', () => {
    expect(hex(geometryDigest(g))).toBe(vector.geometryDigest);
  });

  test('the packet is built as the vector says', () => {
    const { packet, surb, secrets } = build(g, vector);
    const expected = vector.kind === 'reply' ? vector : { surb: '', secrets: '' };
    expect(hex(packet)).toBe(vector.packet);
    expect([surb, secrets]).toEqual([expected.surb, expected.secrets]);
    expect(expected.surb.length).toBe(vector.kind === 'reply' ? 2 * surbBytes(g) : 0);
  });

  test('every hop peels it as the vector says', () => {
    let packet = vector.packet;
    for (const [i, { fill, result }] of vector.peels.entries()) {
      const { seed, nodeId } = vector.path[i] as VectorHop;
      const key = loadMixKey(unhex(seed), unhex(nodeId), network.epoch, g);
      expect(packetEpoch(unhex(packet))).toBe(network.epoch);
      const fast = peel(g, key, unhex(packet), { bytes: () => unhex(fill) });
      expect(flat(fast)).toEqual(result);
      const node = { seed: unhex(seed), nodeId: unhex(nodeId) };
      const slow = reference.peel(network, node, unhex(packet), () => unhex(fill));
      expect(flat(slow)).toEqual(result);
      if (result.kind === 'relay') packet = result.packet;
    }
  });

  test('the unit at the end holds the payload', () => {
    const last = vector.peels.at(-1)?.result;
    const unit = decodeUnit(g, unhex(last?.kind === 'exit' ? last.unit : ''));
    expect(hex(content(g, vector, unit))).toBe(vector.payload);
  });
});

describe('refused', () => {
  test.each(vectors.filter((vector) => 'reason' in vector).map((v) => [v.reason, v.name, v] as const))(
    '%s: %s',
    (reason, _, vector) => {
      expect(refusal(vector)).toBe(reason);
    },
  );

  test.each(vectors.filter((vector) => vector.kind === 'refusal').map((v) => [v.reason, v.name, v] as const))(
    '%s: %s, by the reference too',
    (reason, _, { network, node, packet }) => {
      const parsed = { seed: unhex(node.seed), nodeId: unhex(node.nodeId) };
      expect(reference.peel(network, parsed, unhex(packet), () => new Uint8Array(0))).toEqual({
        kind: 'refused',
        reason,
      });
    },
  );
});

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

function build(g: Geometry, vector: ForwardVector | ReplyVector) {
  const path: Hop[] = vector.path.map((hop) => {
    const { nodeId, publicKey, delayMs } = parseHop(hop);
    return { nodeId, mixKey: publicKey, delayMs };
  });
  // The header is built from the last hop to the first.
  const eseeds = vector.path.map(({ eseed }) => unhex(eseed)).reverse();
  const { epoch } = vector.network;
  const exit = { domain: vector.domain };
  const payload = unhex(vector.payload);
  if (vector.kind === 'forward')
    return { packet: buildPacket(g, epoch, path, exit, payload, inTurn(eseeds)), surb: '', secrets: '' };
  const chance = inTurn([unhex(vector.surbId), ...eseeds, unhex(vector.firstKey)]);
  const { surb, secrets } = createSurb(g, epoch, path, exit, chance);
  return { packet: useSurb(g, surb, payload).packet, surb: hex(surb), secrets: hex(secrets) };
}

/** What a unit says to who holds the secrets of the vector, after the reference has said the same. */
function content(g: Geometry, vector: ForwardVector | ReplyVector, unit: Unit): Uint8Array {
  if (vector.kind === 'forward') return unit.kind === 'envelope' ? unit.envelope : new Uint8Array(0);
  if (unit.kind !== 'reply' || hex(unit.surbId) !== vector.surbId) throw new Error('not the reply');
  const secrets = unhex(vector.secrets);
  const reply = openReply(g, secrets, unit.body);
  const slow = reference.openReply(vector.network, secrets, unit.body);
  if (reply.kind === 'refused' || slow === 'bad-body') throw new Error('the reply does not open');
  expect(reply.payload).toEqual(slow);
  return reply.payload;
}

function inTurn(values: Uint8Array[]) {
  const left = [...values];
  return {
    bytes(length: number): Uint8Array {
      const value = left.shift();
      if (value?.length !== length) throw new Error(`${length} random bytes are not what comes next`);
      return value;
    },
  };
}

/** Byte strings as hexadecimal. */
function flat(peeled: Peeled | reference.Peeled): object {
  return Object.fromEntries(
    Object.entries(peeled).map(([name, value]) => [name, value instanceof Uint8Array ? hex(value) : value]),
  );
}

function refusal(vector: Vector): string | undefined {
  const g = geometry(vector.network);
  switch (vector.kind) {
    case 'refusal': {
      const key = loadMixKey(unhex(vector.node.seed), unhex(vector.node.nodeId), vector.network.epoch, g);
      const peeled = peel(g, key, unhex(vector.packet));
      return peeled.kind === 'refused' ? peeled.reason : undefined;
    }
    case 'reply-refusal': {
      const reply = openReply(g, unhex(vector.secrets), unhex(vector.body));
      return reply.kind === 'refused' ? reply.reason : undefined;
    }
    case 'unit-refusal': {
      const unit = decodeUnit(g, unhex(vector.unit));
      return unit.kind === 'refused' ? unit.reason : undefined;
    }
    case 'forward':
    case 'reply':
      return undefined;
  }
}
