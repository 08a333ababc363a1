import { bytesToHex as hex, utf8ToBytes } from '@noble/hashes/utils.js';
import {
  buildPacket,
  createSurb,
  type Geometry,
  generateMixKey,
  geometry,
  type Hop,
  loadMixKey,
  peel,
  useSurb,
} from '@postern/protocol/packet';
import { describe, expect, test } from 'vitest';
import { buffer, judgeOpens, judgeSeals } from './judge.ts';
import { cat, number } from './reference/bytes.ts';
import { decrypt, encrypt } from './reference/lioness.ts';
import * as reference from './reference/packet.ts';

const epoch = 4242;
const enc = 1120;

describe.each([1, 2])('suite %i', (suite) => {
  const g = geometry({ suite, hops: 3, routingBytes: 320, packetBytes: 32_768 });
  const network = { ...g, epoch };
  const keys = [1, 2, 3].map(() => generateMixKey());
  const path: Hop[] = keys.map(({ publicKey }, i) => ({
    nodeId: new Uint8Array(32).fill(i + 1),
    mixKey: publicKey,
    delayMs: 100 * i,
  }));
  const payload = Uint8Array.from({ length: g.payloadBytes }, (_, i) => i % 251);

  test('an independent HPKE opens every layer of a forward packet', async () => {
    const packet = buildPacket(g, epoch, path, { domain: 'b.example' }, payload);
    const { blocks, body } = await openAll(packet);
    expect(blocks.map(hex)).toEqual(
      [
        reference.block(network, { command: 1, delayMs: 0, next: new Uint8Array(32).fill(2) }),
        reference.block(network, { command: 1, delayMs: 100, next: new Uint8Array(32).fill(3) }),
        reference.block(network, { command: 2, delayMs: 200, domain: 'b.example' }),
      ].map(hex),
    );
    expect(body).toEqual(cat(new Uint8Array(16), payload));
  });

  test('an independent HPKE opens every layer of a reply', async () => {
    const { surb, id } = createSurb(g, epoch, path, { domain: 'a.example' });
    const { blocks } = await openAll(useSurb(g, surb, payload).packet);
    expect(blocks.map((block) => number(block.slice(0, 1)))).toEqual([1, 1, 3]);
    expect(blocks[2]).toEqual(
      reference.block(network, { command: 3, delayMs: 200, surbId: id, domain: 'a.example' }),
    );
  });

  test.each([1, 2, 3])('layer %i made by an independent HPKE is opened', async (layer) => {
    const hop = path[layer - 1] as Hop;
    const info = reference.info(network, layer, hop.nodeId);
    const sender = await judgeSeals({ suite, publicKey: hop.mixKey, info });
    const inner = new Uint8Array((3 - layer) * g.layerBytes).fill(9);
    const block =
      layer < 3
        ? reference.block(network, { command: 1, delayMs: 7, next: hop.nodeId })
        : reference.block(network, { command: 2, delayMs: 7, domain: 'b.example' });
    const sealed = new Uint8Array(await sender.seal(buffer(cat(block, inner))));
    const bodyKey = new Uint8Array(await sender.export(buffer(utf8ToBytes('body key')), 128));
    const body = encrypt(suite, bodyKey, cat(new Uint8Array(16), payload));
    const fill = new Uint8Array((layer - 1) * g.layerBytes);
    const packet = cat(prefix(layer), new Uint8Array(sender.enc), sealed, fill, body);

    const key = loadMixKey((keys[layer - 1] as { seed: Uint8Array }).seed, hop.nodeId, epoch, g);
    const peeled = peel(g, key, packet);
    if (peeled.kind === 'refused') throw new Error(peeled.reason);
    const tag = await sender.export(buffer(utf8ToBytes('replay tag')), 32);
    expect(peeled.replayTag).toEqual(new Uint8Array(tag));
    expect(peeled.delayMs).toBe(7);
    const passedOn = peeled.kind === 'exit' ? peeled.unit.slice(1) : peeled.packet.slice(6);
    const content = peeled.kind === 'exit' ? payload : inner;
    expect(passedOn.slice(0, content.length)).toEqual(content);
  });

  /** Takes all layers off without our code, and compares what our peel says of each. */
  async function openAll(packet: Uint8Array) {
    const blocks: Uint8Array[] = [];
    let header = packet.slice(6, 6 + g.headerBytes);
    let body: Uint8Array = packet.slice(6 + g.headerBytes);
    for (const [i, hop] of path.entries()) {
      const { seed } = keys[i] as { seed: Uint8Array };
      const info = reference.info(network, i + 1, hop.nodeId);
      const context = await judgeOpens({ suite, seed, enc: header.slice(0, enc), info });
      const plain = new Uint8Array(await context.open(buffer(header.slice(enc))));
      blocks.push(plain.slice(0, g.routingBytes));

      const ours = peel(g, loadMixKey(seed, hop.nodeId, epoch, g), whole(g, i + 1, header, body));
      const tag = new Uint8Array(await context.export(buffer(utf8ToBytes('replay tag')), 32));
      expect(ours.kind === 'refused' ? ours : ours.replayTag).toEqual(tag);

      const bodyKey = new Uint8Array(await context.export(buffer(utf8ToBytes('body key')), 128));
      header = plain.slice(g.routingBytes);
      body = decrypt(suite, bodyKey, body);
    }
    expect(header).toHaveLength(0);
    return { blocks, body };
  }

  function prefix(layer: number): Uint8Array {
    return Uint8Array.of(suite, 0, 0, epoch >> 8, epoch & 255, layer);
  }

  function whole({ headerBytes }: Geometry, layer: number, header: Uint8Array, body: Uint8Array): Uint8Array {
    return cat(prefix(layer), header, new Uint8Array(headerBytes - header.length), body);
  }
});
