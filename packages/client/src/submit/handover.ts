import { makeCarriage, type SendResult } from '@postern/mail';
import { ClientError } from '../errors.ts';
import type { OutboxPacket, QueuedPacket } from '../outbox/index.ts';
import type { FirstMix, HoldReason, SubmitOptions, WaitReason } from './submit.ts';

/** What became of one packet in one round. `gone`: another process has handed it over. */
export type Outcome =
  | { readonly kind: 'submitted' | 'gone' }
  | { readonly kind: 'wait'; readonly reason: WaitReason; readonly node: string }
  | { readonly kind: 'hold'; readonly reason: HoldReason; readonly node: string };

/** Tries one packet once, unless its first mix is to be avoided in this round; adds to `avoided` what the try has shown. */
export async function handOver(
  queued: QueuedPacket,
  avoided: Map<string, Outcome>,
  options: SubmitOptions,
): Promise<Outcome> {
  const { clock, deadline, signal } = options;
  if (clock.now() >= deadline || signal?.aborted) return { kind: 'wait', reason: 'not-tried', node: '' };
  const packet = await queued.load().catch(flawOf);
  if (packet === undefined) return { kind: 'gone' };
  if ('kind' in packet) return packet;
  if (clock.now() >= packet.expires * 1000) return { kind: 'hold', reason: 'expired', node: '' };

  const mix = await options.firstMix(packet.firstNode);
  if (mix.kind === 'no-consensus') return { kind: 'wait', reason: 'no-consensus', node: '' };
  if (mix.kind === 'no-time') return { kind: 'wait', reason: 'not-tried', node: '' };
  if (mix.kind !== 'mix') return { kind: 'hold', reason: 'no-such-node', node: packet.firstNode };
  const known = avoided.get(packet.firstNode);
  if (known !== undefined) return known;

  const outcome = outcomeOf(await send(packet, mix, options), mix.name);
  if (outcome.kind === 'submitted') {
    await queued.remove();
    options.onSubmitted?.(packet.bytes.length);
  } else if (outcome.kind !== 'hold' || outcome.reason !== 'refused') {
    avoided.set(packet.firstNode, outcome);
  }
  return outcome;
}

/** Only what was read and is no packet is given up; a file that cannot be read now, for want of descriptors say, may be read later. */
function flawOf(error: unknown): Outcome {
  return error instanceof ClientError && error.code === 'bad-file'
    ? { kind: 'hold', reason: 'damaged', node: '' }
    : { kind: 'wait', reason: 'unreadable', node: '' };
}

/** A fresh carriage around the same packet. */
function send(
  { bytes }: OutboxPacket,
  { name, peer }: FirstMix,
  options: SubmitOptions,
): Promise<SendResult> {
  const { sender, fromDomain, clock, random, signal } = options;
  const message = makeCarriage({
    fromDomain,
    toDomain: name,
    bytes,
    now: new Date(clock.now()),
    random: (length) => random.bytes(length),
  });
  const outgoing = { from: `secure@${fromDomain}`, to: `secure@${name}`, message };
  return sender.send(peer, signal === undefined ? outgoing : { ...outgoing, signal });
}

function outcomeOf(result: SendResult, node: string): Outcome {
  switch (result.kind) {
    case 'sent':
      return { kind: 'submitted' };
    case 'deferred':
      return { kind: 'wait', reason: result.reason, node };
    case 'refused':
    case 'wrong-pin':
    case 'no-tls':
      return { kind: 'hold', reason: result.kind, node };
  }
}
