import type { SmtpPeer } from '@postern/mail';
import type { Clock, Random } from '@postern/runtime';
import { jitteredBackoff, type Pause } from './backoff.ts';
import { createLine, zoneOf } from './line.ts';
import type { FoundDestination } from './names.ts';
import { createPlaces } from './places.ts';

/** What is known of a domain that the node has something for. */
export type Destination =
  | { readonly kind: 'found'; readonly peers: readonly SmtpPeer[]; readonly tls: 'require' | 'prefer' }
  /** It is proven that the domain takes no part, or nothing from mixes. */
  | { readonly kind: 'no-part' }
  /** The domain takes no mail (RFC 7505), or no way leads to it. */
  | { readonly kind: 'refused'; readonly enhanced: string }
  /** Nothing proves who takes the domain's mail. */
  | { readonly kind: 'unverifiable' }
  /** Nothing was found out, and is not asked again for a while. */
  | { readonly kind: 'failed' }
  /** Not known yet: it is being asked, or waits to be. */
  | { readonly kind: 'asking' };

export interface Destinations {
  /** What is known now; has the domain asked for when that is nothing. */
  find(domain: string): Destination;
  /** Ends all questions. */
  close(): Promise<void>;
}

export interface DestinationsContext {
  readonly clock: Clock;
  readonly random: Random;
  /** Looks a domain up. Its signal aborts when it has taken too long. */
  readonly lookUp: (domain: string, signal: AbortSignal) => Promise<FoundDestination>;
}

/** Look-ups at one time. */
const atOnce = 16;
/** Of them, of one kind: for domains that led on the last time, or for strangers, which did not. The others' places are kept. */
const ofKindAtOnce = 12;
/** Of them, in one zone. */
const ofZoneAtOnce = 4;
/** One look-up, with all of its questions. */
const lookUpMs = 20_000;
/** Domains that are remembered, of those that lead on and of others. */
const mostRemembered = 10_000;
/** However long or short the domain's records say that they live, seconds. */
const shortestLife = 60;
const longestLife = 3_600;
const failedPause: Pause = { firstMs: 30_000, mostMs: 3_600_000 };

interface Remembered {
  readonly destination: Exclude<Destination, { kind: 'asking' | 'found' }>;
  readonly untilMs: number;
  /** Look-ups in a row that led nowhere. */
  readonly failures: number;
}

type FoundHere = Extract<Destination, { kind: 'found' }>;
/** After so many failures in a row a domain is a stranger again. */
const forgivenFailures = 5;

/**
 * Finds by DNS where what is for a domain goes. Whoever builds a packet, or submits a message, chooses its domain, and that domain's name servers how long they take: so nobody
 * waits here. A relay asks again later; domains are asked for once at a time, few at once, in random order, whatever number of relays is
 * theirs, and some places are kept for domains that led on before, and some for those that did not. Name servers that never answer make others
 * of their kind wait: for some thousand zones for hours, for a few, whatever number of names is in them, no longer than some look-ups take.
 */
export function createDestinations({ clock, random, lookUp }: DestinationsContext): Destinations {
  // Apart, so that quick answers about any number of domains push out none that leads on.
  const led = createMemory<{ readonly destination: FoundHere; readonly untilMs: number }>(mostRemembered);
  const others = createMemory<Remembered>(mostRemembered);
  const known = createLine(random);
  const strangers = createLine(random);
  const places = createPlaces({ all: atOnce, each: ofZoneAtOnce });
  const asked = new Map<string, Promise<void>>();
  const ending = new AbortController();
  let strangersAsked = 0;

  const next = (): { domain: string; stranger: boolean } | undefined => {
    if (ending.signal.aborted || asked.size >= atOnce) return undefined;
    const acquainted = asked.size - strangersAsked < ofKindAtOnce ? known.draw(places.enter) : undefined;
    if (acquainted !== undefined) return { domain: acquainted, stranger: false };
    const stranger = strangersAsked < ofKindAtOnce ? strangers.draw(places.enter) : undefined;
    return stranger === undefined ? undefined : { domain: stranger, stranger: true };
  };

  const begin = (): void => {
    for (let one = next(); one !== undefined; one = next()) {
      const { domain, stranger } = one;
      if (stranger) strangersAsked++;
      const ended = ask(domain).finally(() => {
        asked.delete(domain);
        places.leave(zoneOf(domain));
        if (stranger) strangersAsked--;
        begin();
      });
      asked.set(domain, ended);
    }
  };

  const ask = async (domain: string): Promise<void> => {
    const done = new AbortController();
    const late = new AbortController();
    const signal = AbortSignal.any([ending.signal, late.signal]);
    clock.wait(clock.now() + lookUpMs, AbortSignal.any([ending.signal, done.signal])).then(
      () => late.abort(),
      () => undefined,
    );
    // Even a look-up that does not listen to the signal gives its place back.
    const found = await endingWith(lookUp(domain, signal), signal).catch(
      (): FoundDestination => ({ kind: 'failed' }),
    );
    done.abort();
    if (!ending.signal.aborted) remember(domain, found);
  };

  const remember = (domain: string, found: FoundDestination): void => {
    if (found.kind === 'found') {
      const { peers, tls } = found;
      others.delete(domain);
      led.set(domain, { destination: { kind: 'found', peers, tls }, untilMs: clock.now() + lifeMsOf(found) });
      return;
    }
    const failures = leadsNowhere(found) ? (others.get(domain)?.failures ?? 0) + 1 : 0;
    if (failures === 0 || failures > forgivenFailures) led.delete(domain);
    const lifeMs = failures > 0 ? jitteredBackoff(failures - 1, failedPause, random) : lifeMsOf(found);
    others.set(domain, { destination: destinationFrom(found), untilMs: clock.now() + lifeMs, failures });
  };

  return {
    find(domain) {
      const found = led.get(domain);
      if (found !== undefined && found.untilMs > clock.now()) return found.destination;
      const other = others.get(domain);
      if (other !== undefined && other.untilMs > clock.now()) return other.destination;
      if (!asked.has(domain)) (found === undefined ? strangers : known).add(domain);
      begin();
      return { kind: 'asking' };
    },
    async close() {
      ending.abort();
      await Promise.all(asked.values());
    },
  };
}

/** Rejects when the signal aborts, whatever becomes of the answer. */
function endingWith<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  return promise;
}

function destinationFrom(found: Exclude<FoundDestination, { kind: 'found' }>): Remembered['destination'] {
  return found.kind === 'refused' ? { kind: found.kind, enhanced: found.enhanced } : { kind: found.kind };
}

function leadsNowhere({ kind }: FoundDestination): boolean {
  return kind === 'failed' || kind === 'unverifiable';
}

function lifeMsOf(found: FoundDestination): number {
  const seconds = 'ttlSeconds' in found ? found.ttlSeconds : shortestLife;
  return Math.min(longestLife, Math.max(shortestLife, seconds)) * 1_000;
}

interface Memory<T> {
  get(domain: string): T | undefined;
  set(domain: string, value: T): void;
  delete(domain: string): void;
}

/** The one that was needed longest ago goes first. */
function createMemory<T>(most: number): Memory<T> {
  const held = new Map<string, T>();
  const set = (domain: string, value: T): void => {
    held.delete(domain);
    held.set(domain, value);
    if (held.size > most) held.delete(held.keys().next().value ?? '');
  };
  return {
    get(domain) {
      const value = held.get(domain);
      if (value !== undefined) set(domain, value);
      return value;
    },
    set,
    delete: (domain) => void held.delete(domain),
  };
}
