import type { SendResult } from '@postern/mail';
import { ClientError } from '../errors.ts';
import type { OutboxPacket, QueuedPacket } from '../outbox/index.ts';
import { carriageOf } from './carriage.ts';
import type { Hop } from './hop.ts';
import type { HoldReason, SubmitOptions, WaitReason } from './submit.ts';

/** What became of one packet in one round. `gone`: another process has handed it over. */
export type Outcome =
  | { readonly kind: 'submitted' | 'gone' }
  | (Stayed & { readonly kind: 'wait'; readonly reason: WaitReason })
  | (Stayed & { readonly kind: 'hold'; readonly reason: HoldReason });

interface Stayed {
  readonly node: string;
  /** It is an envelope of direct mode. */
  readonly envelope?: true;
}

/** Tries one packet once, unless its server is to be avoided in this round; adds to `avoided` what the try has shown. */
export async function handOver(
  queued: QueuedPacket,
  avoided: Map<string, Outcome>,
  options: SubmitOptions,
): Promise<Outcome> {
  const packet = await queued.load().catch(flawOf);
  if (packet === undefined) return { kind: 'gone' };
  if ('kind' in packet) return packet;
  const outcome = await tryOnce(queued, packet, { avoided, options });
  const stays = outcome.kind === 'wait' || outcome.kind === 'hold';
  return stays && packet.next.kind === 'domain' ? { ...outcome, envelope: true } : outcome;
}

async function tryOnce(
  queued: QueuedPacket,
  packet: OutboxPacket,
  { avoided, options }: { avoided: Map<string, Outcome>; options: SubmitOptions },
): Promise<Outcome> {
  const { clock, deadline, signal } = options;
  if (clock.now() >= deadline || signal?.aborted) return { kind: 'wait', reason: 'not-tried', node: '' };
  if (clock.now() >= packet.expires * 1000) return { kind: 'hold', reason: 'expired', node: '' };

  const { next } = packet;
  const hop = await options.hopTo(next);
  switch (hop.kind) {
    case 'no-consensus':
      return { kind: 'wait', reason: 'no-consensus', node: '' };
    case 'no-time':
      return { kind: 'wait', reason: 'not-tried', node: '' };
    case 'unknown':
      return { kind: 'hold', reason: 'no-such-node', node: next.kind === 'node' ? next.id : '' };
    case 'not-by-account':
      return { kind: 'hold', reason: 'not-by-account', node: hop.server };
    case 'no-gateway':
      return { kind: 'hold', reason: 'no-gateway', node: '' };
    case 'hop':
  }
  // Everything goes to one gateway, if there is one.
  const where = hop.author === undefined && next.kind === 'node' ? next.id : '';
  const known = avoided.get(where);
  if (known !== undefined) return known;

  const outcome = outcomeOf(await send(packet, hop, options), hop);
  if (outcome.kind === 'submitted') {
    await queued.remove();
    options.onSubmitted?.(packet.bytes.length);
  } else if (outcome.kind !== 'hold' || !ofOneMessage.has(outcome.reason)) {
    avoided.set(where, outcome);
  }
  return outcome;
}

/** What a server says of one message, and not of itself. */
const ofOneMessage: ReadonlySet<HoldReason> = new Set(['refused', 'no-requiretls']);

/** Only what was read and is no packet is given up; a file that cannot be read now, for want of descriptors say, may be read later. */
function flawOf(error: unknown): Outcome {
  return error instanceof ClientError && error.code === 'bad-file'
    ? { kind: 'hold', reason: 'damaged', node: '' }
    : { kind: 'wait', reason: 'unreadable', node: '' };
}

/** A fresh carriage around the same packet. */
function send(packet: OutboxPacket, hop: Hop, options: SubmitOptions): Promise<SendResult> {
  const { sender, fromDomain, clock, random, signal } = options;
  const message = carriageOf(packet, hop, {
    fromDomain,
    now: new Date(clock.now()),
    random: (length) => random.bytes(length),
  });
  const outgoing = {
    from: hop.author ?? `secure@${fromDomain}`,
    to: `secure@${hop.domain}`,
    message,
    // A server that cannot promise TLS all the way is given nothing (RFC 8689).
    ...(hop.account && packet.next.kind === 'domain' && !packet.next.tlsOptional
      ? { requireTls: true as const }
      : {}),
  };
  return sender.send(hop.peer, signal === undefined ? outgoing : { ...outgoing, signal });
}

/** REQUIRETLS support required (RFC 8689 section 5). */
const noRequireTls = '5.7.30';

function outcomeOf(result: SendResult, { server: node, author, account }: Hop): Outcome {
  switch (result.kind) {
    case 'sent':
      return { kind: 'submitted' };
    case 'deferred':
      return { kind: 'wait', reason: result.reason, node };
    case 'refused':
      return {
        kind: 'hold',
        reason: account && result.enhanced === noRequireTls ? 'no-requiretls' : 'refused',
        node,
      };
    case 'no-tls':
    case 'no-login':
      return { kind: 'hold', reason: result.kind, node };
    case 'untrusted':
      return { kind: 'hold', reason: author === undefined ? 'wrong-pin' : 'untrusted', node };
  }
}
