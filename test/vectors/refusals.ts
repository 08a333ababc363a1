import { bytesToHex as hex } from '@noble/hashes/utils.js';
import { type Bytes, cat, text, uint } from '../conformance/reference/bytes.ts';
import { context, xwingEncapsulate, xwingPublicKey } from '../conformance/reference/hpke.ts';
import { encrypt } from '../conformance/reference/lioness.ts';
import * as reference from '../conformance/reference/packet.ts';
import type { Network, RefusalVector, ReplyRefusalVector, UnitRefusalVector } from './format.ts';
import { seeded } from './seeded.ts';

/** One input for each way of being refused: all else in it is right. */
export function refusals(): (RefusalVector | ReplyRefusalVector | UnitRefusalVector)[] {
  return [...outside(), ...headers(), ...blocks(), ...domains(), ...bodies(), ...units()];
}

const fixed = seeded('refusals');
const network: Network = { suite: 1, hops: 2, routingBytes: 307, packetBytes: 6 + 2 * 1443 + 80, epoch: 7 };
const node = { seed: fixed.bytes(32), nodeId: fixed.bytes(32) };
const next = fixed.bytes(32);
const relay = { command: 1, delayMs: 5, next };
const exit = { command: 2, delayMs: 5, domain: 'b.example' };
const reply = { command: 3, delayMs: 5, domain: 'b.example', surbId: fixed.bytes(16) };
const rightAtFirst = craft(1, reference.block(network, relay));
const rightAtLast = craft(2, reference.block(network, exit));

/** A packet for `node` at a layer: whole but for what the routing block says, and what `p` overrides. */
function craft(layer: number, block: Bytes, p: { network?: Network; nodeId?: Bytes } = {}): Bytes {
  const net = p.network ?? network;
  const random = seeded(`${layer} ${hex(block)} ${JSON.stringify(net)} ${hex(p.nodeId ?? node.nodeId)}`);
  const { secret, ciphertext } = xwingEncapsulate(xwingPublicKey(node.seed), random.bytes(64));
  const hpke = context(net.suite, secret, reference.info(net, layer, p.nodeId ?? node.nodeId));
  const inner = random.bytes((net.hops - layer) * 1443);
  const fill = random.bytes((layer - 1) * 1443);
  const payload = random.bytes(reference.bodyBytes(net) - 16);
  const body = encrypt(net.suite, hpke.export('body key', 128), cat(new Uint8Array(16), payload));
  const prefix = cat(uint(net.suite, 1), uint(net.epoch, 4), uint(layer, 1));
  return cat(prefix, ciphertext, hpke.seal(cat(block, inner)), fill, body);
}

function refusal(reason: string, name: string, packet: Bytes): RefusalVector {
  const named = { nodeId: hex(node.nodeId), seed: hex(node.seed) };
  return { kind: 'refusal', name, network, node: named, packet: hex(packet), reason };
}

function outside(): RefusalVector[] {
  return [
    refusal('wrong-length', 'nothing', new Uint8Array(0)),
    refusal('wrong-length', 'one byte short', rightAtFirst.slice(0, -1)),
    refusal('wrong-length', 'one byte long', cat(rightAtFirst, uint(0, 1))),
    refusal('wrong-suite', 'another suite', patch(rightAtFirst, 0, uint(2, 1))),
    refusal('wrong-suite', 'a unit', patch(rightAtFirst, 0, uint(0x81, 1))),
    refusal('wrong-epoch', 'the epoch after', patch(rightAtFirst, 1, uint(8, 4))),
    refusal('wrong-epoch', 'the epoch before', patch(rightAtFirst, 1, uint(6, 4))),
    refusal('wrong-layer', 'layer 0', patch(rightAtFirst, 5, uint(0, 1))),
    refusal('wrong-layer', 'a layer after the last', patch(rightAtFirst, 5, uint(3, 1))),
  ];
}

function headers(): RefusalVector[] {
  const good = reference.block(network, exit);
  const other = (change: Partial<Network>) => craft(2, good, { network: { ...network, ...change } });
  return [
    refusal('bad-header', 'a bit of the ML-KEM ciphertext', flip(rightAtFirst, 6)),
    refusal('bad-header', 'a bit of the X25519 share', flip(rightAtFirst, 6 + 1088)),
    refusal(
      'bad-header',
      'the highest bit of the X25519 share, which X25519 ignores',
      flip(rightAtFirst, 6 + 1119, 7),
    ),
    refusal(
      'bad-header',
      'an X25519 share of small order',
      patch(rightAtFirst, 6 + 1088, new Uint8Array(32)),
    ),
    refusal('bad-header', 'a bit of the sealed routing block', flip(rightAtFirst, 6 + 1120)),
    refusal('bad-header', 'a bit of the next layer', flip(rightAtFirst, 6 + 1443)),
    refusal('bad-header', 'a bit of the tag', flip(rightAtFirst, 6 + 2 * 1443 - 1)),
    refusal('bad-header', 'made for another node', craft(2, good, { nodeId: next })),
    refusal('bad-header', 'made for another epoch', patch(other({ epoch: 8 }), 1, uint(7, 4))),
    refusal('bad-header', 'made for another suite', patch(other({ suite: 2 }), 0, uint(1, 1))),
    refusal(
      'bad-header',
      'made for another geometry',
      other({ packetBytes: network.packetBytes + 1 }).slice(0, -1),
    ),
    refusal('bad-header', 'the last layer presented as the first', patch(rightAtLast, 5, uint(1, 1))),
    refusal('bad-header', 'the first layer presented as the last', patch(rightAtFirst, 5, uint(2, 1))),
  ];
}

function blocks(): RefusalVector[] {
  const at = (layer: number, fields: Parameters<typeof reference.block>[1]) =>
    craft(layer, reference.block(network, fields));
  const patched = (layer: number, fields: Parameters<typeof reference.block>[1], offset: number) =>
    craft(layer, patch(reference.block(network, fields), offset, uint(1, 1)));
  return [
    refusal('bad-command', 'command 0', at(1, { ...relay, command: 0 })),
    refusal('bad-command', 'command 4', at(2, { ...exit, command: 4 })),
    refusal('bad-command', 'exit before the last layer', at(1, exit)),
    refusal('bad-command', 'reply exit before the last layer', at(1, reply)),
    refusal('bad-command', 'relay at the last layer', at(2, relay)),
    refusal('bad-reserved', 'relay with a domain', at(1, { ...relay, domain: 'b.example' })),
    refusal('bad-reserved', 'relay with a SURB id', at(1, { ...relay, surbId: reply.surbId })),
    refusal('bad-reserved', 'relay with a byte in the place of the domain', patched(1, relay, 54)),
    refusal('bad-reserved', 'exit with a next node', at(2, { ...exit, next })),
    refusal('bad-reserved', 'exit with a SURB id', at(2, { ...exit, surbId: reply.surbId })),
    refusal('bad-reserved', 'reply exit with a next node', at(2, { ...reply, next })),
    refusal('bad-reserved', 'a byte behind the domain', patched(2, exit, 54 + 9)),
    refusal('bad-reserved', 'the last byte of the routing block', patched(2, exit, 306)),
  ];
}

function domains(): RefusalVector[] {
  const long = `${'a'.repeat(63)}.`.repeat(4);
  const block = (domain: string) => craft(2, reference.block(network, { ...exit, domain }));
  const tooLong = patch(reference.block(network, { ...exit, domain: long.slice(0, 253) }), 53, uint(254, 1));
  return [
    refusal('bad-domain', 'a domain of 254 bytes', craft(2, tooLong)),
    ...[
      '',
      '.',
      'B.example',
      'b..example',
      '.example',
      'b.example.',
      '-b.example',
      'b-.example',
      'b_b.example',
      'b\u0000.example',
      'b example',
      '127.0.0.1',
      `${'a'.repeat(64)}.example`,
    ].map((domain) => refusal('bad-domain', `the domain ${JSON.stringify(domain)}`, block(domain))),
    refusal(
      'bad-domain',
      'a reply to no domain',
      craft(2, reference.block(network, { ...reply, domain: '' })),
    ),
  ];
}

function bodies(): (RefusalVector | ReplyRefusalVector)[] {
  const random = seeded('a reply of noise');
  const secrets = random.bytes(3 * 128);
  const body = random.bytes(reference.bodyBytes(network));
  const kind = 'reply-refusal' as const;
  return [
    refusal('bad-body', 'the first bit of the body', flip(rightAtLast, 6 + 2 * 1443)),
    refusal('bad-body', 'the last bit of the body', flip(rightAtLast, network.packetBytes - 1)),
    { kind, name: 'a reply of noise', network, secrets: hex(secrets), body: hex(body), reason: 'bad-body' },
    {
      kind,
      name: 'a reply one byte short',
      network,
      secrets: hex(secrets),
      body: hex(body.slice(1)),
      reason: 'wrong-length',
    },
  ];
}

function units(): UnitRefusalVector[] {
  const unit = (name: string, bytes: Bytes, reason: string): UnitRefusalVector => ({
    kind: 'unit-refusal',
    name,
    network,
    unit: hex(bytes),
    reason,
  });
  const whole = cat(uint(0x81, 1), seeded('a unit').bytes(network.packetBytes - 1));
  return [
    unit('a unit one byte short', whole.slice(0, -1), 'wrong-length'),
    unit('a unit one byte long', cat(whole, uint(0, 1)), 'wrong-length'),
    unit('a unit of kind 0x80', patch(whole, 0, uint(0x80, 1)), 'unknown-kind'),
    unit('a packet', rightAtLast, 'unknown-kind'),
    unit('text', cat(text('From: '), whole).slice(0, whole.length), 'unknown-kind'),
  ];
}

function patch(bytes: Bytes, offset: number, replacement: Bytes): Bytes {
  return cat(bytes.slice(0, offset), replacement, bytes.slice(offset + replacement.length));
}

function flip(bytes: Bytes, offset: number, bit = 0): Bytes {
  return bytes.map((byte, i) => (i === offset ? byte ^ (1 << bit) : byte));
}
