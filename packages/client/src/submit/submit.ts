import type { DeferredReason, SmtpSender } from '@postern/mail';
import { shuffled, uniform } from '@postern/protocol/primitives';
import type { Clock, Random } from '@postern/runtime';
import type { Next, QueuedPacket } from '../outbox/index.ts';
import { handOver, type Outcome } from './handover.ts';
import type { Hop, NoHop } from './hop.ts';

/** Why packets wait for the next try: what the mail sender says, that there is no consensus to look the first mix up in, or that the packet's file cannot be read. */
export type WaitReason = DeferredReason | 'no-consensus' | 'unreadable' | 'not-tried';

/**
 * Why packets stay that another try will hardly move: `expired`: a mix of their path may have destroyed its key when they get there, or the message is too old
 * by now; `no-such-node`: the consensus does not list their first mix any more; `no-gateway`: none of the author's own is configured, and only that takes them;
 * `refused`: they are answered 5yz; `wrong-pin`: another TLS key than the consensus says; `untrusted`: the gateway is not the one of the configuration;
 * `no-requiretls`: the provider of the account cannot promise TLS all the way; `not-by-account`: ordinary mail does not find
 * their first mix; `no-login`: the gateway does not take the login; `no-tls`: no TLS, or none that is good enough; `damaged`: the file in the outbox holds no packet.
 */
export type HoldReason =
  | 'expired'
  | 'no-such-node'
  | 'no-gateway'
  | 'refused'
  | 'wrong-pin'
  | 'untrusted'
  | 'no-login'
  | 'no-requiretls'
  | 'not-by-account'
  | 'no-tls'
  | 'damaged';

/** Packets that stay for one reason at one server. */
export interface Stay<Reason> {
  readonly reason: Reason;
  /** The first mix's name, or its id when the consensus does not know it, or the gateway's host; '' when it is of no matter. */
  readonly node: string;
  readonly packets: number;
  /** How many of them are envelopes of direct mode; absent when none is. */
  readonly envelopes?: number;
}

export interface Submission {
  /** Packets that their first mix, or the author's own gateway, has taken. */
  readonly submitted: number;
  /** Packets that stay in the outbox: the sum of the two below. */
  readonly pending: number;
  readonly waiting: readonly Stay<WaitReason>[];
  readonly held: readonly Stay<HoldReason>[];
}

export interface SubmitOptions {
  readonly sender: SmtpSender;
  /** The domain of the configured mailbox, whichever mailbox a message is from: carriages come from its `secure` mailbox. */
  readonly fromDomain: string;
  /** Where to hand over what is for this mix or domain. */
  hopTo(next: Next): Promise<Hop | NoHop>;
  readonly clock: Clock;
  readonly random: Random;
  /** SMTP connections at once. */
  readonly connections: number;
  /** When to stop trying, in the clock's milliseconds. */
  readonly deadline: number;
  /** Ends the tries early; packets stay. */
  readonly signal?: AbortSignal | undefined;
  onSubmitted?(bytes: number): void;
  /** Everything left waits until then, for these reasons. */
  onPause?(untilMs: number, waiting: readonly Stay<WaitReason>[]): void;
}

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * Hands packets to their first mixes, or all of them to the author's own gateway: in random order, a few at once, round after round with a jittered pause, which grows while
 * none is taken, until all are or the deadline is there. A packet leaves the outbox when it was answered 250, so a crash sends it twice rather than
 * never; it is the same packet, and a mix drops the second by its replay tag, a recipient's gateway by the fragment in it.
 */
export async function submit(packets: readonly QueuedPacket[], options: SubmitOptions): Promise<Submission> {
  const { clock, random, deadline, signal } = options;
  const held = new Tally<HoldReason>();
  const waits: Waits = new Map();
  let submitted = 0;
  let left = packets;
  for (let idle = 0; ; idle++) {
    const result = await oneRound(shuffled(left, random), { held, waits }, options);
    submitted += result.submitted;
    left = result.left;
    if (result.submitted > 0) idle = 0;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** idle) * (0.5 + uniform(random));
    const until = clock.now() + pauseMs;
    const over = left.length === 0 || until > deadline || signal?.aborted;
    if (!over) options.onPause?.(until, result.waiting.stays);
    if (over || !(await waited(clock, until, signal))) {
      const pending = left.length + held.packets;
      return { submitted, pending, waiting: result.waiting.stays, held: held.stays };
    }
  }
}

/** Why each packet waits, as the last try of it has shown. */
type Waits = Map<QueuedPacket, Outcome & { readonly kind: 'wait' }>;

interface Round {
  readonly submitted: number;
  readonly left: readonly QueuedPacket[];
  readonly waiting: Tally<WaitReason>;
}

/**
 * Tries each packet once. A node that cannot take one now, or whose TLS is wrong, is left alone for the rest of the round. A packet whose time is over before
 * it is tried again waits for what it waited for.
 */
async function oneRound(
  packets: readonly QueuedPacket[],
  { held, waits }: { held: Tally<HoldReason>; waits: Waits },
  options: SubmitOptions,
): Promise<Round> {
  const waiting = new Tally<WaitReason>();
  const left: QueuedPacket[] = [];
  const avoided = new Map();
  const queue = [...packets];
  let submitted = 0;
  const worker = async (): Promise<void> => {
    for (let packet = queue.pop(); packet !== undefined; packet = queue.pop()) {
      const outcome = await handOver(packet, avoided, options);
      if (outcome.kind === 'submitted') submitted += 1;
      if (outcome.kind === 'hold') held.add(outcome);
      if (outcome.kind === 'wait') {
        const why = outcome.reason === 'not-tried' ? (waits.get(packet) ?? outcome) : outcome;
        waits.set(packet, why);
        waiting.add(why);
        left.push(packet);
      }
    }
  };
  await Promise.all(Array.from({ length: options.connections }, worker));
  return { submitted, left, waiting };
}

/** Counts packets by reason and node. */
class Tally<Reason extends string> {
  readonly #stays = new Map<string, Stay<Reason>>();

  add({ reason, node, envelope }: { reason: Reason; node: string; envelope?: true }): void {
    const key = `${reason} ${node}`;
    const before = this.#stays.get(key);
    const packets = (before?.packets ?? 0) + 1;
    const envelopes = (before?.envelopes ?? 0) + (envelope ? 1 : 0);
    this.#stays.set(key, { reason, node, packets, ...(envelopes === 0 ? {} : { envelopes }) });
  }

  get stays(): Stay<Reason>[] {
    return [...this.#stays.values()];
  }

  get packets(): number {
    return this.stays.reduce((sum, { packets }) => sum + packets, 0);
  }
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
