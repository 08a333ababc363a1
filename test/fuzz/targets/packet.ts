import {
  buildPacket,
  createSurb,
  decodeUnit,
  encodeEnvelopeUnit,
  type Geometry,
  generateMixKey,
  geometry,
  loadMixKey,
  type MixKey,
  openReply,
  packetEpoch,
  peel,
  useSurb,
} from '@postern/protocol/packet';
import { decodeRouting, encodeReplyUnit, encodeRouting, seeded } from '@postern/protocol/testing';
import { hold, sameBytes, type Target, throwUnless } from '../target.ts';

/** The least that holds a packet: every byte of an input counts for more. */
const g: Geometry = geometry({ suite: 1, hops: 2, routingBytes: 307, packetBytes: 6 + 2 * 1443 + 80 });
const epoch = 7;
const random = seeded('fuzz packet');

const routing: Target = {
  name: 'packet-routing',
  seeds: () =>
    [
      { kind: 'relay', delayMs: 5, nextNode: random.bytes(32) } as const,
      { kind: 'exit', delayMs: 0, domain: 'b.example' } as const,
      {
        kind: 'reply',
        delayMs: 2 ** 32 - 1,
        domain: `${'d'.repeat(63)}.example`,
        surbId: random.bytes(16),
      } as const,
    ].map((one) => encodeRouting(one, g.routingBytes)),
  tokens: ['example', 'xn--', '.', '-'],
  maxBytes: g.routingBytes,
  run(input) {
    const block = new Uint8Array(g.routingBytes);
    block.set(input);
    for (const last of [false, true]) {
      const decoded = decodeRouting(block, last);
      if (typeof decoded !== 'string')
        sameBytes(encodeRouting(decoded, g.routingBytes), block, 'a routing block');
    }
  },
};

/** Whole packets: what is not ours is refused, and nothing that is passed on has another size. */
const peeling: Target = {
  name: 'packet-peel',
  seeds() {
    const payload = random.bytes(g.payloadBytes);
    const { hops, keys } = path;
    const forward = buildPacket(g, epoch, hops, { domain: 'b.example' }, payload, random);
    const { surb } = createSurb(g, epoch, hops, { domain: 'a.example' }, random);
    const reply = useSurb(g, surb, payload).packet;
    const second = [forward, reply].map((packet) => peel(g, keyAt(keys, 0), packet, random));
    return [forward, reply, ...second.flatMap((peeled) => (peeled.kind === 'relay' ? [peeled.packet] : []))];
  },
  maxBytes: g.packetBytes + 16,
  bounded: 200,
  run(input) {
    packetEpoch(input);
    for (const key of path.keys) {
      const peeled = peel(g, key, input, random);
      if (peeled.kind === 'relay')
        hold(peeled.packet.length === g.packetBytes, 'a relayed packet has its size');
      if (peeled.kind === 'exit') {
        hold(peeled.unit.length === g.packetBytes, 'a unit has its size');
        hold(decodeUnit(g, peeled.unit).kind !== 'refused', 'what exits is a unit');
      }
    }
  },
};

const unit: Target = {
  name: 'packet-unit',
  seeds: () => [
    encodeEnvelopeUnit(g, random.bytes(g.payloadBytes), random),
    encodeReplyUnit(g, random.bytes(16), random.bytes(g.bodyBytes), random),
  ],
  maxBytes: g.packetBytes + 16,
  run(input) {
    const decoded = decodeUnit(g, input);
    if (decoded.kind === 'envelope')
      hold(decoded.envelope.length === g.payloadBytes, 'an envelope has its size');
    if (decoded.kind === 'reply') hold(decoded.body.length === g.bodyBytes, 'a reply has its size');
  },
};

/** Reply blocks that strangers made, and the bodies of replies to one's own. */
const surb: Target = {
  name: 'packet-surb',
  seeds() {
    const made = createSurb(g, epoch, path.hops, { domain: 'a.example' }, random);
    const { packet } = useSurb(g, made.surb, random.bytes(g.payloadBytes));
    return [made.surb, packet.subarray(packet.length - g.bodyBytes)];
  },
  maxBytes: g.packetBytes,
  bounded: 200,
  run(input) {
    openReply(g, own.secrets, input);
    try {
      const { packet } = useSurb(g, input, new Uint8Array(g.payloadBytes));
      hold(packet.length === g.packetBytes, 'a reply packet has its size');
    } catch (fault) {
      throwUnless(fault, 'wrong-surb');
    }
  },
};

/** Two hops with the same keys at every run. */
const pairs = [1, 2].map((fill) => ({ nodeId: new Uint8Array(32).fill(fill), ...generateMixKey(random) }));
const path = {
  hops: pairs.map(({ nodeId, publicKey }) => ({ nodeId, mixKey: publicKey, delayMs: 10 })),
  keys: pairs.map(({ nodeId, seed }) => loadMixKey(seed, nodeId, epoch, g)),
};
const own = createSurb(g, epoch, path.hops, { domain: 'a.example' }, random);

function keyAt(keys: readonly MixKey[], at: number): MixKey {
  const key = keys[at];
  if (key === undefined) throw new RangeError(`no key at ${at}`);
  return key;
}

export const packetTargets: readonly Target[] = [routing, peeling, unit, surb];
