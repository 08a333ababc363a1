import { makeCarriage, type SendResult, type SmtpSender } from '@postern/mail';
import { uniform } from '@postern/protocol/primitives';
import type { Clock, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import type { Counters } from '../counters.ts';
import type { Lifetime } from '../lifetime.ts';
import type { Due, Spool, Waiting } from '../spool.ts';
import type { Stage } from '../stage.ts';
import type { Found, Topology } from '../topology.ts';
import { createLanes, type Lane } from './lanes.ts';

export interface ForwardContext {
  /** The node's own mail domain. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly spool: Spool;
  readonly counters: Counters;
  readonly topology: Topology;
  readonly sender: SmtpSender;
  readonly lifetime: Lifetime;
  /** Connections to one peer at one time. */
  readonly connectionsPerPeer: number;
}

/** For a relay that its peer does not take. */
const refusedPause = { firstMs: 1_000, mostMs: 900_000 };
/** For one whose peer cannot be reached: not long, since it was this relay's bad luck to be the one that tried. */
const unreachedPause = { firstMs: 1_000, mostMs: 60_000 };
/** For those behind it, beyond the time that the way to the peer rests. */
const standBackMs = 1_000;
/** Without a consensus or a route the trouble is not the peer's, and may be over any moment. */
const routePause = { firstMs: 1_000, mostMs: 60_000 };

/**
 * Hands each relay to its next hop: a new carriage at every attempt, over TLS to the key that the consensus names. `take`
 * resolves once the relay is handed over and gone, or due again later.
 *
 * A lost answer makes a second copy, of the same bytes, which the next hop's replay tag removes. A permanent refusal is tried again
 * like any failure until the relay expires: packets are alike, so a peer that refuses one is set up wrongly, and its
 * operator may mend that while nothing is lost. What an author addressed to a node that is no mix is dropped at once.
 */
export function forward(context: ForwardContext): Stage<Due> {
  const { clock, random, spool, counters, topology, lifetime } = context;
  const laneTo = createLanes({ clock, random, width: context.connectionsPerPeer });

  const take = async ({ due: relay }: Due): Promise<void> => {
    if (lifetime.stopping.aborted) return spool.relays.release([relay.id]);
    if (clock.now() >= relay.expiresMs) {
      await spool.relays.finish(relay.id);
      return counters.count('forwarded', 'expired');
    }
    const found = topology.find(relay.next);
    if (found.kind === 'no-mix') {
      await spool.relays.finish(relay.id);
      return counters.count('forwarded', 'no-mix');
    }
    if (found.kind !== 'found') {
      counters.count('forwarded', found.kind);
      return spool.relays.retry(relay.id, clock.now() + jitteredBackoff(relay.attempts, routePause, random));
    }
    const lane = laneTo(found.entry);
    if (lane.crowded || lane.restUntil > clock.now()) return standBack(relay, lane);
    await lane.run(() => attempt(relay, found, lane));
  };

  const attempt = async (
    relay: Waiting,
    found: Extract<Found, { kind: 'found' }>,
    lane: Lane,
  ): Promise<void> => {
    if (lifetime.stopping.aborted) return spool.relays.release([relay.id]);
    if (lane.restUntil > clock.now()) return standBack(relay, lane);
    const bytes = await spool.relays.read(relay.id);
    if (bytes === undefined) return;
    const result = await handOver(context, found, bytes);
    if (result.kind === 'deferred' && (result.reason === 'aborted' || result.reason === 'closed'))
      return spool.relays.release([relay.id]);
    counters.count('forwarded', result.kind);
    if (reached(result)) lane.works();
    else lane.fails();
    if (result.kind === 'sent') return spool.relays.finish(relay.id);
    const pause = reached(result) ? refusedPause : unreachedPause;
    const again = clock.now() + jitteredBackoff(relay.attempts, pause, random);
    await spool.relays.retry(relay.id, Math.max(again, lane.restUntil));
  };

  /** Untried: the way to the peer rests or has enough in line. */
  const standBack = (relay: Waiting, lane: Lane): Promise<void> => {
    const from = Math.max(clock.now(), lane.restUntil);
    return spool.relays.postpone(relay.id, from + standBackMs * uniform(random));
  };

  return { take, close: async () => undefined };
}

function handOver(
  { name, clock, random, sender, lifetime }: ForwardContext,
  { entry, domain }: Extract<Found, { kind: 'found' }>,
  bytes: Uint8Array,
): Promise<SendResult> {
  const carriage = makeCarriage({
    fromDomain: name,
    toDomain: domain,
    bytes,
    now: new Date(clock.now()),
    random: (length) => random.bytes(length),
  });
  return sender.send(
    { host: entry.smtp.host, port: entry.smtp.port, tlsPin: entry.tlsPin },
    { from: `secure@${name}`, to: `secure@${domain}`, message: carriage, signal: lifetime.cut },
  );
}

/** Whether the peer itself answered: whatever it said was about this relay. */
function reached(result: SendResult): boolean {
  return result.kind === 'sent' || result.kind === 'refused';
}
