import type { SendResult } from '@postern/mail';
import { uniform } from '@postern/protocol/primitives';
import { jitteredBackoff } from '../backoff.ts';
import type { Counters } from '../counters.ts';
import { freeMemory } from '../handed-over.ts';
import { inHand } from '../in-hand.ts';
import type { ComposeLetter } from '../report/letter.ts';
import type { Failure } from '../report/report.ts';
import type { Due, Spool, Waiting } from '../spool.ts';
import type { Stage } from '../stage.ts';
import { type Way, type Ways, type Whose, whoseOf } from '../ways.ts';
import { type HandOverContext, handOver } from './handover.ts';
import { createLanes, type Lane, type Load } from './lanes.ts';
import { createServers, type Servers } from './servers.ts';

export interface ForwardContext extends HandOverContext {
  readonly spool: Spool;
  readonly counters: Counters;
  readonly ways: Ways;
  /** Connections to one peer at one time. */
  readonly connectionsPerPeer: number;
  /** Relays that this stage is given at one time; `inHand` when not given. */
  readonly inFlight?: number;
  /** How this gateway tells its authors what became of their relays; a node that has none has no such relays. */
  readonly authors?: {
    readonly composeLetter: ComposeLetter;
    /** An author's relay that has so little of its time left is late, ms. */
    readonly lateMs: number;
  };
}

/** For a relay that its peer refuses for good. */
const refusedPause = { firstMs: 1_000, mostMs: 900_000 };
/** For one whose peer cannot be reached or takes nothing for now: not long, since it was this relay's bad luck to be the one that tried. */
const unavailablePause = { firstMs: 1_000, mostMs: 60_000 };
/** For those that stand back, beyond the time at which the lane has them come back. */
const standBackMs = 1_000;
const byDnsStandBackMs = 15_000;
/** Relays for one peer, of those in hand: more than leave while those that stand back are on disk, so that no connection is idle meanwhile. */
const perPeer = 1 / 2;
/** For all peers that the consensus or the operator names: a line that slow ones fill keeps nobody from one that is idle. */
const knownAtOnce: Load = { connections: Number.POSITIVE_INFINITY, line: 128 };
/** For all nodes that take packets: a part of what is in hand, so that nodes that hang leave room for everybody else. */
const packetsAtOnce = (inFlight: number): Load => ({ connections: 640, line: (inFlight * 5) / 8 });
/** For one domain by what it says in DNS. */
const byDnsPerDomain = 32;
/** For all such domains, however long their servers take: a part of what may be under way, and for authors another than for anybody else. */
const byDnsAtOnce: Readonly<Record<Whose, Load>> = {
  authors: { connections: 128, line: 128 },
  others: { connections: 256, line: 128 },
};
/** In line for a connection: with a hand-over's own time less than a claim's lease. */
const lineMs = 240_000;
/** What an author is told of a relay that stands back (RFC 3463: busy, or otherwise unable). */
const untried: Failure = {
  status: '4.4.1',
  diagnostic: 'the next server could not be reached, or takes no more at present',
};
/** While a domain is looked up, or nothing is found. */
const lookUpPause = { firstMs: 1_000, mostMs: 900_000 };
/** Without a consensus or a route the trouble is not the peer's, and may be over any moment. */
const routePause = { firstMs: 1_000, mostMs: 60_000 };

/**
 * Hands each relay to its next hop: a new carriage at every attempt, over TLS to whoever proves to be that hop. `take` resolves once the
 * relay is handed over and gone, or due again later.
 *
 * A lost answer makes a second copy, of the same bytes, which the next hop's replay tag removes. A mix's permanent refusal is tried again
 * like any failure until the relay expires: packets are alike, so a peer that refuses one is set up wrongly, and its
 * operator may mend that while nothing is lost. What a mail server refuses for good has failed, and its author, if it has one here, is
 * told. What an author addressed to a node that is no mix, or to a domain that takes no part, is dropped at once.
 */
export function forward(context: ForwardContext): Stage<Due> {
  const { clock, random, spool, counters, ways, lifetime, authors, connectionsPerPeer: width } = context;
  const { inFlight = inHand } = context;
  const byDns = (whose: Whose): Road => ({
    standBackMs: byDnsStandBackMs,
    laneTo: createLanes({ clock, random, width, each: byDnsPerDomain, all: byDnsAtOnce[whose] }),
    servers: createServers({ clock, random }),
  });
  const roads = { authors: byDns('authors'), others: byDns('others') };
  const toKnown = (all: Load): Road => ({
    standBackMs,
    laneTo: createLanes({ clock, random, width, each: perPeer * inFlight, all }),
  });
  const known = {
    packets: toKnown(packetsAtOnce(inFlight)),
    authors: toKnown(knownAtOnce),
    others: toKnown(knownAtOnce),
  };

  const take = async ({ due: relay }: Due): Promise<void> => {
    if (lifetime.stopping.aborted) return spool.relays.release([relay.id]);
    if (clock.now() >= relay.expiresMs) return end(relay, 'expired', { status: '4.4.7' });
    const way = await ways.find(relay).catch((): Way => ({ kind: 'no-route' }));
    if (way.kind === 'no-mix') return end(relay, 'no-mix', { status: '5.4.4' });
    if (way.kind === 'no-exchange') return end(relay, 'no-exchange', { status: way.status });
    if (way.kind === 'no-part') return end(relay, 'no-part', { status: '5.1.10' });
    if (way.kind !== 'way') {
      counters.count('forwarded', way.kind, relay.attempts);
      await warnOfDelay(relay, way.kind === 'unverifiable' ? { status: '4.7.5' } : { status: '4.4.4' });
      const pause = relay.next.kind === 'node' || isOwn(relay) ? routePause : lookUpPause;
      return spool.relays.retry(relay.id, clock.now() + jitteredBackoff(relay.attempts, pause, random));
    }
    const road = way.byDns === undefined ? known[kindOf(relay)] : roads[way.byDns];
    const turn = { way, road, lane: road.laneTo(way.key), since: clock.now() };
    if (turn.lane.crowded || restUntil(turn) > clock.now()) return standBack(relay, turn);
    const attempted = await turn.lane.run(() => attempt(relay, turn));
    // The next one has the connection while this one's outcome is written.
    await conclude(relay, turn, attempted);
  };

  const attempt = async (relay: Waiting, turn: Turn): Promise<Attempted> => {
    const { way, road, lane, since } = turn;
    if (lifetime.stopping.aborted) return 'interrupted';
    if (restUntil(turn) > clock.now() || clock.now() > since + lineMs) return 'untried';
    const bytes = relay.bytes ?? (await spool.relays.read(relay.id));
    if (bytes === undefined) return 'gone';
    const result = await handOver(context, relay, way, bytes, road.servers);
    if (relay.bytes === undefined) freeMemory(bytes);
    if (result === undefined) return 'untried';
    if (result.kind === 'deferred' && (result.reason === 'aborted' || result.reason === 'closed'))
      return 'interrupted';
    if (judged(result)) lane.works();
    else lane.fails();
    return result;
  };

  const conclude = async (relay: Waiting, turn: Turn, result: Attempted): Promise<void> => {
    if (result === 'gone') return;
    if (result === 'interrupted') return spool.relays.release([relay.id]);
    if (result === 'untried') return standBack(relay, turn);
    if (result.kind === 'refused' && (isOwn(relay) || turn.way.exit !== undefined))
      return end(relay, 'refused', failureOf(result));
    if (result.kind === 'sent') {
      counters.count('forwarded', 'sent');
      return spool.relays.finish(relay.id);
    }
    counters.count('forwarded', result.kind, relay.attempts);
    await warnOfDelay(relay, failureOf(result));
    const pause = judged(result) ? refusedPause : unavailablePause;
    const again = clock.now() + jitteredBackoff(relay.attempts, pause, random);
    await spool.relays.retry(relay.id, Math.max(again, restUntil(turn)));
  };

  /** The relay goes; whose it is, is told. */
  const end = async (
    relay: Waiting,
    outcome: 'expired' | 'refused' | 'no-mix' | 'no-exchange' | 'no-part',
    failure: Failure,
  ): Promise<void> => {
    counters.count('forwarded', outcome);
    if (!(await tell(relay, 'failed', failure))) await spool.relays.finish(relay.id);
  };

  const warnOfDelay = async (relay: Waiting, failure: Failure): Promise<void> => {
    // A packet has only as long as its keys: it is handed over in time, or has failed.
    if (relay.next.kind === 'node' || authors === undefined) return;
    if (relay.expiresMs - clock.now() > authors.lateMs) return;
    await tell(relay, 'delayed', failure);
  };

  /** Whether somebody was told; of a failure the relay has gone then. */
  const tell = async (relay: Waiting, kind: 'failed' | 'delayed', failure: Failure): Promise<boolean> => {
    if (authors === undefined || relay.token === undefined) return false;
    const found = await spool.returns.find({ token: relay.token });
    if (found === undefined || (kind === 'delayed' && found.delayed)) return false;
    const domain = relay.next.kind === 'domain' ? relay.next.domain : undefined;
    const letter = authors.composeLetter(found, { kind, failure, domain });
    await spool.returns.tell(letter, kind === 'failed' ? relay.id : undefined);
    return true;
  };

  /** Untried: the way to the peer rests or has enough in line. */
  const standBack = async (relay: Waiting, turn: Turn): Promise<void> => {
    counters.count('forwarded', 'postponed');
    await warnOfDelay(relay, untried);
    const from = turn.lane.comeBack(Math.max(clock.now(), restUntil(turn)));
    await spool.relays.postpone(relay.id, from + turn.road.standBackMs * uniform(random));
  };

  return { take, close: async () => undefined };
}

/** Lanes that nothing on another road fills, and for servers that DNS names what is known of them. */
interface Road {
  /** For those that stand back, beyond the time at which the lane has them come back. */
  readonly standBackMs: number;
  readonly laneTo: (key: string) => Lane;
  readonly servers?: Servers;
}

interface Turn {
  readonly way: Extract<Way, { kind: 'way' }>;
  readonly road: Road;
  readonly lane: Lane;
  /** When the relay got in line. */
  readonly since: number;
}

/** What came of an attempt: of one that the peer was not in, `untried` or `interrupted`, and of one that had gone meanwhile, `gone`. */
type Attempted = SendResult | 'untried' | 'interrupted' | 'gone';

/** Packets have one road, whoever's they are: a node that holds up what others have for it could tell by another which are authors'. */
function kindOf(relay: Waiting): Whose | 'packets' {
  return isOwn(relay) ? whoseOf(relay) : 'packets';
}

/** When the way is worth trying; in the past when it is now. */
function restUntil({ way, road, lane }: Turn): number {
  const addresses = way.peers.map(({ host }) => host);
  return Math.max(lane.restUntil, road.servers?.restUntil(addresses) ?? 0);
}

/** Whether this gateway's domain answers for it to another domain. */
function isOwn({ next }: Waiting): boolean {
  return next.kind === 'domain' && next.own === true;
}

/** Whether the peer has judged this relay. A 4yz is about the peer: it takes nothing for now, whatever it is. */
function judged(result: SendResult): boolean {
  return result.kind === 'sent' || result.kind === 'refused';
}

/** RFC 3463: what the next hop said, or why there was none to say it. */
function failureOf(result: SendResult): Failure {
  switch (result.kind) {
    case 'refused':
      return { status: result.enhanced, diagnostic: `${result.code} ${result.enhanced}` };
    case 'untrusted':
      return { status: '4.7.5', diagnostic: 'the next server shows a certificate that cannot be trusted' };
    case 'no-tls':
      return { status: '4.7.10', diagnostic: 'the next server offers no TLS' };
    case 'no-login':
      return { status: '4.7.8', diagnostic: 'the next server does not take the login' };
    case 'sent':
    case 'deferred':
      return { status: '4.4.1', diagnostic: 'the next server could not be reached, or took nothing' };
  }
}
