import { makeCarriage, type SmtpPeer, type SmtpSender } from '@postern/mail';
import { below, uniform } from '@postern/protocol/primitives';
import type { Clock, Random } from '@postern/runtime';
import type { OutboxPacket, QueuedPacket } from '../outbox/index.ts';

/** Where a node takes mail now. */
export interface FirstMix {
  readonly name: string;
  readonly peer: SmtpPeer;
}

/**
 * Why packets stay that no further try will move soon: `expired`: a mix of their path has destroyed its key; `no-such-node`: the consensus
 * does not list their first mix any more; `refused`: it answers 5yz; `wrong-pin`: another TLS key than the consensus
 * says; `no-tls`: no TLS, or none that is good enough; `damaged`: the file in the outbox does not hold a packet.
 */
export type HoldReason = 'expired' | 'no-such-node' | 'refused' | 'wrong-pin' | 'no-tls' | 'damaged';

/** Packets of one first mix that stay for one reason. */
export interface Held {
  readonly reason: HoldReason;
  /** The first mix's name, or its id when the consensus does not know it; '' when it is of no matter. */
  readonly node: string;
  readonly packets: number;
}

export interface Submission {
  /** Packets that their first mix has taken. */
  readonly submitted: number;
  /** Packets that stay in the outbox, `held` included. */
  readonly pending: number;
  readonly held: readonly Held[];
}

export interface SubmitOptions {
  readonly sender: SmtpSender;
  /** The author's domain: the carriage comes from its `secure` mailbox. */
  readonly fromDomain: string;
  /** Length of every packet, bytes. */
  readonly packetBytes: number;
  /** The node of this id in the current consensus. */
  firstMix(id: string): Promise<FirstMix | undefined>;
  readonly clock: Clock;
  readonly random: Random;
  /** SMTP connections at once. */
  readonly connections: number;
  /** When to stop trying, in the clock's milliseconds. */
  readonly deadline: number;
  /** Ends the tries early; packets stay. */
  readonly signal?: AbortSignal | undefined;
  onSubmitted?(): void;
  /** Everything left waits until then. */
  onPause?(untilMs: number): void;
}

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * Hands packets to their first mixes: in random order, a few at once, round after round with a growing, jittered pause until
 * all are taken or the deadline is there. A packet leaves the outbox when its first mix has answered 250, so a crash
 * sends it twice rather than never; it is the same packet, and the mix drops the second by its replay tag.
 */
export async function submit(packets: readonly QueuedPacket[], options: SubmitOptions): Promise<Submission> {
  const { clock, random, deadline, signal } = options;
  const run: Run = { options, held: new Map(), barred: new Map(), submitted: 0 };
  let waiting = shuffled(packets, random);
  for (let round = 0; ; round++) {
    waiting = await oneRound(waiting, run);
    if (waiting.length === 0) break;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** round) * (0.5 + uniform(random));
    const until = clock.now() + pauseMs;
    if (until > deadline || signal?.aborted) break;
    options.onPause?.(until);
    if (!(await waited(clock, until, signal))) break;
    waiting = shuffled(waiting, random);
  }
  const held = [...run.held.values()];
  const stuck = held.reduce((sum, each) => sum + each.packets, 0);
  return { submitted: run.submitted, pending: waiting.length + stuck, held };
}

interface Run {
  readonly options: SubmitOptions;
  readonly held: Map<string, Held>;
  /** Nodes whose TLS is not as it should be: tried once, not for each packet. */
  readonly barred: Map<string, 'wrong-pin' | 'no-tls'>;
  submitted: number;
}

/** Tries each packet once; returns those to try again. A node that cannot take one now is left alone until the next round. */
async function oneRound(packets: readonly QueuedPacket[], run: Run): Promise<QueuedPacket[]> {
  const again: QueuedPacket[] = [];
  const busy = new Set<string>();
  const queue = [...packets];
  const { clock, deadline, signal, connections } = run.options;
  const worker = async (): Promise<void> => {
    for (let packet = queue.pop(); packet !== undefined; packet = queue.pop()) {
      const late = clock.now() >= deadline || signal?.aborted === true;
      if (late || (await tryOne(packet, run, busy)) === 'again') again.push(packet);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return again;
}

async function tryOne(queued: QueuedPacket, run: Run, busy: Set<string>): Promise<'done' | 'again'> {
  const { options } = run;
  const packet = await queued.load().catch(() => 'damaged' as const);
  if (packet === undefined) return 'done';
  if (packet === 'damaged' || packet.bytes.length !== options.packetBytes) return hold(run, 'damaged', '');
  if (options.clock.now() >= packet.expires * 1000) return hold(run, 'expired', '');
  const mix = await options.firstMix(packet.firstNode);
  if (mix === undefined) return hold(run, 'no-such-node', packet.firstNode);
  const barred = run.barred.get(packet.firstNode);
  if (barred !== undefined) return hold(run, barred, mix.name);
  if (busy.has(packet.firstNode)) return 'again';
  const result = await send(packet, mix, options);
  switch (result.kind) {
    case 'sent':
      await queued.remove();
      run.submitted += 1;
      options.onSubmitted?.();
      return 'done';
    case 'deferred':
      busy.add(packet.firstNode);
      return 'again';
    case 'refused':
      return hold(run, 'refused', mix.name);
    case 'wrong-pin':
    case 'no-tls':
      run.barred.set(packet.firstNode, result.kind);
      return hold(run, result.kind, mix.name);
  }
}

/** A fresh carriage around the same packet. */
function send({ bytes }: OutboxPacket, { name, peer }: FirstMix, options: SubmitOptions): ReturnType<SmtpSender['send']> {
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

function hold(run: Run, reason: HoldReason, node: string): 'done' {
  const key = `${reason} ${node}`;
  run.held.set(key, { reason, node, packets: (run.held.get(key)?.packets ?? 0) + 1 });
  return 'done';
}

/** False when the signal ended the wait. */
async function waited(clock: Clock, until: number, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await clock.wait(until, signal);
    return true;
  } catch (error) {
    if (signal?.aborted) return false;
    throw error;
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = below(random, last + 1);
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
