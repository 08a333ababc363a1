import type { VerifiedConsensus } from '@postern/directory/client';
import { makeCarriage } from '@postern/mail';
import { read } from '@postern/node/testing';
import { seeded } from '@postern/protocol/testing';
import { hold, latin1, type Target } from '../target.ts';
import { joined, carriageParts as parts, words } from './letters.ts';

const now = parts.now.getTime();
const clock = { now: () => now, wait: async () => undefined };
const id = 'ab'.repeat(32);
const seconds = now / 1_000;
/** What is asked of a consensus here: when it was made. */
const consensus = { consensus: { freshUntil: seconds + 3_600 } } as unknown as VerifiedConsensus;
const context = {
  clock,
  topology: {
    valid: () => consensus,
    mixNamed: (name: string) =>
      name === 'mix1.test' ? ({ kind: 'mix', id } as const) : ({ kind: 'no-mix' } as const),
  },
  domain: 'a.test',
  suite: 1,
  packetBytes: 60,
  epochSeconds: 3_600,
  expiryMs: 86_400_000,
};

const random = seeded('fuzz submission');

/** A unit of that kind, and for a packet, of that epoch. */
function unit(kind: number, epoch = Math.floor(seconds / context.epochSeconds)): Uint8Array {
  const bytes = random.bytes(context.packetBytes);
  bytes[0] = kind;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, epoch);
  return bytes;
}

const submission: Target = {
  name: 'submission',
  maxBytes: 131_072,
  seeds: () => {
    const toDomain = makeCarriage({ ...parts, bytes: unit(0x81) });
    const toMix = { ...parts, toDomain: 'mix1.test' };
    return [
      toDomain,
      makeCarriage({ ...parts, bytes: unit(0x81), tlsOptional: true }),
      makeCarriage({ ...toMix, bytes: unit(1) }),
      makeCarriage({ ...toMix, bytes: unit(1, 1) }),
      makeCarriage({ ...parts, bytes: unit(1) }),
      joined('Received: from x\r\n by y\r\n', toDomain),
    ];
  },
  tokens: [...words, 'mix1.test', 'b.test', 'a.test', 'secure@'],
  run(input) {
    for (const recipient of ['secure@b.test', 'secure@mix1.test']) {
      const asked = read({ bytes: Buffer.from(input), recipient }, context);
      if (asked.kind !== 'submission') continue;
      const { next, expiresMs, bytes } = asked.relay;
      const name = next.kind === 'domain' ? next.domain : 'mix1.test';
      hold(recipient === `secure@${name}`, 'a unit goes where its envelope says, and nowhere else');
      hold(expiresMs > now && expiresMs <= now + context.expiryMs, 'it is kept for its time');
      hold(bytes.length === context.packetBytes, 'it has the length of all');
      hold(latin1(input).includes(asked.token), 'its token stands in it');
    }
  },
};

export const submissionTargets: readonly Target[] = [submission];
