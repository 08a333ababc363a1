import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import type { VectorFile } from '../vectors/format.ts';

/*
 * A program of its own, run with the export condition of browsers: peels the vectors and makes a reply, and prints what became of
 * it and which of Node's modules the protocol asked for.
 */

const nodeModules: string[] = [];
registerHooks({
  resolve(specifier, context, next) {
    const asker = context.parentURL ?? '';
    if (specifier.startsWith('node:') && asker.includes('/packages/protocol/')) nodeModules.push(specifier);
    return next(specifier, context);
  },
});

const packet = await import('@postern/protocol/packet');
const path = join(import.meta.dirname, '..', 'vectors', 'packet.json');
const { vectors } = JSON.parse(readFileSync(path, 'utf8')) as VectorFile;
const whole = vectors.filter((vector) => vector.kind === 'forward' || vector.kind === 'reply');

const agreed = whole.every(({ network, path: hops, packet: first, peels }) => {
  const g = packet.geometry(network);
  let received = first;
  return peels.every(({ fill, result }, i) => {
    const { seed, nodeId } = hops[i] ?? { seed: '', nodeId: '' };
    const key = packet.loadMixKey(bytes(seed), bytes(nodeId), network.epoch, g);
    const peeled = packet.peel(g, key, bytes(received), { bytes: () => bytes(fill) });
    if (result.kind === 'relay') received = result.packet;
    const passedOn = result.kind === 'relay' ? result.packet : result.unit;
    if (peeled.kind === 'refused') return false;
    return Buffer.from(peeled.kind === 'relay' ? peeled.packet : peeled.unit).toString('hex') === passedOn;
  });
});

console.log(
  JSON.stringify({ vectors: whole.map(({ name }) => name), agreed, replied: replies(), nodeModules }),
);

/** One reply over one hop, with the provider's own randomness. */
function replies(): boolean {
  const g = packet.geometry({ suite: 1, hops: 1, routingBytes: 307, packetBytes: 1600 });
  const { seed, publicKey } = packet.generateMixKey();
  const nodeId = new Uint8Array(32);
  const made = packet.createSurb(g, 1, [{ nodeId, mixKey: publicKey, delayMs: 0 }], { domain: 'a.example' });
  const sent = packet.useSurb(g, made.surb, new Uint8Array(g.payloadBytes).fill(7));
  const peeled = packet.peel(g, packet.loadMixKey(seed, nodeId, 1, g), sent.packet);
  const unit = peeled.kind === 'exit' ? packet.decodeUnit(g, peeled.unit) : undefined;
  if (unit?.kind !== 'reply') return false;
  const reply = packet.openReply(g, made.secrets, unit.body);
  return reply.kind === 'reply' && reply.payload.every((byte) => byte === 7);
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
