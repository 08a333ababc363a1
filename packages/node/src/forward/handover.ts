import {
  type DkimSigner,
  makeCarriage,
  type OutgoingMessage,
  type SendResult,
  type SmtpPeer,
  type SmtpSender,
} from '@postern/mail';
import { type Clock, passTime, type Random } from '@postern/runtime';
import type { Lifetime } from '../lifetime.ts';
import type { Waiting } from '../spool.ts';
import type { Way } from '../ways.ts';
import { isCrowded, type Servers } from './servers.ts';

type To = Extract<Way, { kind: 'way' }>;

export interface HandOverContext {
  /** The node's own mail domain. */
  readonly name: string;
  /** The domain whose gateway the node is, and what signs for it. */
  readonly own?: {
    readonly domain: string;
    readonly signer?: DkimSigner;
    /** It is a mix as well: packets of its own then leave like those that it passes on. */
    readonly mixes: boolean;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly sender: SmtpSender;
  readonly lifetime: Lifetime;
}

/** All peers of one hand-over together: it has to end, and the relay be put back, while the relay is this one's alone. */
const handOverMs = 240_000;
/** One peer up to the end of its envelope, while others are still to be tried: at least this, and its share of what is left. */
const peerMs = 60_000;

/**
 * One attempt: a new carriage around the relay's bytes, to the first of the peers that takes or refuses it, within four minutes. A peer that
 * has taken the envelope gets all that is left of them: it may need long behind the data (RFC 5321 section 4.5.3.2.6), and cut off there each
 * attempt leaves a copy. Nothing if none of them may be tried now. `servers`: what is known of the peers, when they are such as DNS names.
 */
export async function handOver(
  context: HandOverContext,
  relay: Waiting,
  way: To,
  bytes: Uint8Array,
  servers?: Servers,
): Promise<SendResult | undefined> {
  const { clock, sender, lifetime } = context;
  const message = carriageOf(context, relay, way, bytes);
  const mail = {
    from: returnPath(context, relay, way),
    to: `secure@${way.domain}`,
    message,
    ...(needsTls(relay, way) ? { requireTls: 'if-offered' as const } : {}),
    ...(isToDomain(relay) && relay.token !== undefined ? { envid: relay.id } : {}),
  };
  const send = (peer: SmtpPeer, times: Times): Promise<SendResult> =>
    within(clock, times, lifetime.cut, (limits) => sender.send(peer, { ...mail, ...limits }));
  const endMs = clock.now() + handOverMs;
  let last: SendResult | undefined;
  for (const [at, peer] of way.peers.entries()) {
    const leftMs = Math.min(endMs - clock.now(), handOverMs); // the clock may be set back
    if (leftMs <= 0) break;
    const envelopeMs = Math.min(leftMs, Math.max(peerMs, leftMs / (way.peers.length - at)));
    const times = { envelopeMs, allMs: leftMs };
    const result = await (servers === undefined
      ? send(peer, times)
      : servers.run(peer.host, () => send(peer, times)));
    if (result === undefined || isCrowded(result)) continue;
    if (isOver(result)) return result;
    last = result;
  }
  return last;
}

/** Whether no other peer is to be tried. */
function isOver(result: SendResult): boolean {
  if (result.kind === 'sent' || result.kind === 'refused') return true;
  // It may lie there: another exchanger would make a second copy.
  return result.kind === 'deferred' && (result.maybeDelivered || result.reason === 'aborted');
}

/** What one peer may take, ms. */
interface Times {
  /** Until it asks for the data. */
  readonly envelopeMs: number;
  readonly allMs: number;
}

/** What has not ended by then is a `timeout`; `aborted` is what `cut` cuts off. */
async function within(
  clock: Clock,
  { envelopeMs, allMs }: Times,
  cut: AbortSignal,
  send: (limits: Pick<OutgoingMessage, 'signal' | 'onData'>) => Promise<SendResult>,
): Promise<SendResult> {
  const over = new AbortController();
  const stop = new AbortController();
  const giveUp = (): void => stop.abort();
  let taken = false;
  const watch = async (): Promise<void> => {
    await passTime(clock, envelopeMs, over.signal);
    if (taken) await passTime(clock, allMs - envelopeMs, over.signal);
    giveUp();
  };
  watch().catch(() => undefined); // it is over
  cut.addEventListener('abort', giveUp, { once: true });
  if (cut.aborted) giveUp();
  const onData = (): void => {
    taken = true;
  };
  try {
    const result = await send({ signal: stop.signal, onData });
    if (result.kind !== 'deferred' || (result.reason !== 'aborted' && result.reason !== 'crowded'))
      return result;
    if (cut.aborted) return { ...result, reason: 'aborted' };
    return result.reason === 'aborted' ? { ...result, reason: 'timeout' } : result;
  } finally {
    cut.removeEventListener('abort', giveUp);
    over.abort(ended);
  }
}

/** A reason of one's own spares the exception that would be made, with its stack, for each hand-over. */
const ended = new Error('no longer waited for');

function carriageOf(context: HandOverContext, relay: Waiting, { domain }: To, bytes: Uint8Array): Uint8Array {
  const { clock, random, own } = context;
  const carriage = makeCarriage({
    fromDomain: fromDomain(context, relay),
    toDomain: domain,
    bytes,
    now: new Date(clock.now()),
    random: (length) => random.bytes(length),
    // Other mail servers report by it; a relay keeps it, whoever asks twice for it.
    ...(relay.token !== undefined && isToDomain(relay) ? { id: relay.id } : {}),
    ...(isOwn(relay) && tlsOptional(relay) ? { tlsOptional: true } : {}),
  });
  if (!isOwn(relay) || own?.signer === undefined) return carriage;
  return Buffer.concat([own.signer.sign(carriage), carriage]);
}

/**
 * What goes to a domain comes back to the domain's mailbox when it fails; a report does not, nor what a mix found the way of by DNS: there
 * is nobody it could tell, and its own name need not be known to strangers' mail servers.
 */
function returnPath(context: HandOverContext, relay: Waiting, { exit }: To): string {
  const nobody = exit !== undefined || (isOwn(relay) && relay.token === undefined);
  return nobody ? '' : `secure@${fromDomain(context, relay)}`;
}

/** Packets of a gateway's all leave alike, authors' and reports: from its domain, or from its name if it is a mix too. */
function fromDomain({ name, own }: HandOverContext, relay: Waiting): string {
  if (own === undefined) return name;
  return isOwn(relay) || (relay.next.kind === 'node' && !own.mixes) ? own.domain : name;
}

function needsTls(relay: Waiting, { exit }: To): boolean {
  return exit === undefined ? isOwn(relay) && !tlsOptional(relay) : exit.tls === 'require';
}

function tlsOptional({ next }: Waiting): boolean {
  return next.kind === 'domain' && next.tlsOptional === true;
}

function isToDomain({ next }: Waiting): boolean {
  return next.kind === 'domain';
}

function isOwn({ next }: Waiting): boolean {
  return next.kind === 'domain' && next.own === true;
}
