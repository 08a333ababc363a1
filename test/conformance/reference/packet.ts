import { sha256 } from '@noble/hashes/sha2.js';
import { allZero, type Bytes, cat, number, text, uint } from './bytes.ts';
import { type Context, context, xwingDecapsulate, xwingEncapsulate } from './hpke.ts';
import { decrypt, encrypt } from './lioness.ts';

/*
 * The packet, written from docs/spec/packet.md and from nothing else: slow, plain, and with all randomness given. It
 * shares no line with the code that it judges.
 */

export interface Network {
  readonly suite: number;
  readonly hops: number;
  readonly routingBytes: number;
  readonly packetBytes: number;
  readonly epoch: number;
}

export interface Hop {
  readonly nodeId: Bytes;
  readonly publicKey: Bytes;
  readonly delayMs: number;
  /** The 64 bytes of X-Wing's EncapsulateDerand. */
  readonly eseed: Bytes;
}

export interface Built {
  readonly header: Bytes;
  readonly bodyKeys: readonly Bytes[];
}

// spec packet 3
function layerBytes({ routingBytes }: Network): number {
  return 1120 + routingBytes + 16;
}

// spec packet 3
export function bodyBytes(network: Network): number {
  return network.packetBytes - 6 - network.hops * layerBytes(network);
}

// spec packet 5.3
export function info(network: Network, layer: number, nodeId: Bytes): Bytes {
  const { suite, hops, routingBytes, packetBytes, epoch } = network;
  const digest = sha256(
    cat(
      text('postern geometry v1'),
      uint(suite, 1),
      uint(hops, 1),
      uint(routingBytes, 2),
      uint(packetBytes, 4),
    ),
  );
  return cat(text('postern packet v1'), uint(suite, 1), digest, uint(epoch, 4), uint(layer, 1), nodeId);
}

// spec packet 7
function buildHeader(network: Network, path: readonly Hop[], lastBlock: (delayMs: number) => Bytes): Built {
  let inner: Bytes = new Uint8Array(0);
  const bodyKeys: Bytes[] = [];
  for (let i = network.hops; i >= 1; i--) {
    const hop = path[i - 1] as Hop;
    const next = path[i];
    const block = next === undefined ? lastBlock(hop.delayMs) : relayBlock(network, hop.delayMs, next.nodeId);
    const { secret, ciphertext } = xwingEncapsulate(hop.publicKey, hop.eseed);
    const hpke = context(network.suite, secret, info(network, i, hop.nodeId));
    inner = cat(ciphertext, hpke.seal(cat(block, inner)));
    bodyKeys[i - 1] = hpke.export('body key', 128);
  }
  return { header: cat(uint(network.suite, 1), uint(network.epoch, 4), uint(1, 1), inner), bodyKeys };
}

// spec packet 7
export function build(network: Network, path: readonly Hop[], domain: string, payload: Bytes): Bytes {
  const { header, bodyKeys } = buildHeader(network, path, (delayMs) => exitBlock(network, delayMs, domain));
  let body = cat(new Uint8Array(16), payload);
  for (const key of [...bodyKeys].reverse()) body = encrypt(network.suite, key, body);
  return cat(header, body);
}

// spec packet 5.1
export function block(
  { routingBytes }: Network,
  p: { command: number; delayMs: number; next?: Bytes; surbId?: Bytes; domain?: string },
): Bytes {
  const domain = text(p.domain ?? '');
  const used = cat(
    uint(p.command, 1),
    uint(p.delayMs, 4),
    p.next ?? new Uint8Array(32),
    p.surbId ?? new Uint8Array(16),
    uint(domain.length, 1),
    domain,
  );
  return cat(used, new Uint8Array(routingBytes - used.length));
}

function relayBlock(network: Network, delayMs: number, next: Bytes): Bytes {
  return block(network, { command: 1, delayMs, next });
}

function exitBlock(network: Network, delayMs: number, domain: string): Bytes {
  return block(network, { command: 2, delayMs, domain });
}

export type Peeled =
  | { kind: 'relay'; replayTag: Bytes; nextNode: Bytes; delayMs: number; packet: Bytes }
  | { kind: 'exit'; replayTag: Bytes; domain: string; delayMs: number; unit: Bytes }
  | { kind: 'refused'; reason: string };

/** `fill(n)`: the n random bytes behind what is passed on. */
// spec packet 8
export function peel(
  network: Network,
  node: { seed: Bytes; nodeId: Bytes },
  packet: Bytes,
  fill: (length: number) => Bytes,
): Peeled {
  const { suite, hops, routingBytes, packetBytes, epoch } = network;
  if (packet.length !== packetBytes) return refused('wrong-length');
  if (packet[0] !== suite) return refused('wrong-suite');
  if (number(packet.slice(1, 5)) !== epoch) return refused('wrong-epoch');
  const layer = packet[5] as number;
  if (layer < 1 || layer > hops) return refused('wrong-layer');
  const live = packet.slice(6, 6 + (hops - layer + 1) * layerBytes(network));
  let hpke: Context;
  let plain: Bytes;
  try {
    hpke = context(
      suite,
      xwingDecapsulate(node.seed, live.slice(0, 1120)),
      info(network, layer, node.nodeId),
    );
    plain = hpke.open(live.slice(1120));
  } catch {
    return refused('bad-header');
  }
  const b = plain.slice(0, routingBytes);
  const inner = plain.slice(routingBytes);

  // spec packet 5.2
  const command = b[0] as number;
  const delayMs = number(b.slice(1, 5));
  const next = b.slice(5, 37);
  const surbId = b.slice(37, 53);
  const d = b[53] as number;
  if (d > 253) return refused('bad-domain');
  const domain = String.fromCharCode(...b.slice(54, 54 + d));
  if (!(layer < hops ? [1] : [2, 3]).includes(command)) return refused('bad-command');
  if (!allZero(b.slice(54 + d))) return refused('bad-reserved');
  if (command === 1 && !(allZero(surbId) && d === 0)) return refused('bad-reserved');
  if (command !== 1 && !allZero(next)) return refused('bad-reserved');
  if (command !== 1 && !isDomain(domain)) return refused('bad-domain');
  if (command === 2 && !allZero(surbId)) return refused('bad-reserved');

  const replayTag = hpke.export('replay tag', 32);
  const body = decrypt(suite, hpke.export('body key', 128), packet.slice(packetBytes - bodyBytes(network)));
  if (command === 1) {
    const front = cat(uint(suite, 1), uint(epoch, 4), uint(layer + 1, 1), inner);
    const relayed = cat(front, fill(layer * layerBytes(network)), body);
    return { kind: 'relay', replayTag, nextNode: next, delayMs, packet: relayed };
  }
  if (command === 2 && !allZero(body.slice(0, 16))) return refused('bad-body');
  const content = command === 2 ? cat(uint(0x81, 1), body.slice(16)) : cat(uint(0x82, 1), surbId, body);
  const unit = cat(content, fill(packetBytes - content.length));
  return { kind: 'exit', replayTag, domain, delayMs, unit };
}

// spec packet 5.2
function isDomain(domain: string): boolean {
  const labels = domain.split('.');
  return (
    domain.length >= 1 &&
    domain.length <= 253 &&
    labels.every(
      (label) => /^[a-z0-9-]{1,63}$/.test(label) && !label.startsWith('-') && !label.endsWith('-'),
    ) &&
    !/^[0-9]*$/.test(labels.at(-1) as string)
  );
}

// spec packet 9.1
export function createSurb(
  network: Network,
  path: readonly Hop[],
  p: { domain: string; id: Bytes; firstKey: Bytes },
): { surb: Bytes; secrets: Bytes } {
  const reply = { command: 3, surbId: p.id, domain: p.domain };
  const { header, bodyKeys } = buildHeader(network, path, (delayMs) => block(network, { ...reply, delayMs }));
  const first = path[0] as Hop;
  return { surb: cat(first.nodeId, header, p.firstKey), secrets: cat(p.firstKey, ...bodyKeys) };
}

// spec packet 9.2
export function useSurb(network: Network, surb: Bytes, payload: Bytes): { firstNode: Bytes; packet: Bytes } {
  const body = encrypt(network.suite, surb.slice(-128), cat(new Uint8Array(16), payload));
  return { firstNode: surb.slice(0, 32), packet: cat(surb.slice(32, -128), body) };
}

// spec packet 9.3
export function openReply(network: Network, secrets: Bytes, body: Bytes): Bytes | 'bad-body' {
  let block = body;
  for (let i = network.hops; i >= 1; i--)
    block = encrypt(network.suite, secrets.slice(128 * i, 128 * (i + 1)), block);
  block = decrypt(network.suite, secrets.slice(0, 128), block);
  return allZero(block.slice(0, 16)) ? block.slice(16) : 'bad-body';
}

function refused(reason: string): Peeled {
  return { kind: 'refused', reason };
}
