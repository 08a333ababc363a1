import type { SmtpPeer } from '@postern/mail';
import { uniform } from '@postern/protocol/primitives';
import type { Clock, Random } from '@postern/runtime';
import { jitteredBackoff, type Pause } from './backoff.ts';
import type { FoundExit, Names } from './names.ts';

/** What is known of a domain that a mix has something for. */
export type Exit =
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

export interface Exits {
  /** What is known now; has the domain asked for when that is nothing. */
  find(domain: string): Exit;
  /** Ends all questions. */
  close(): Promise<void>;
}

export interface ExitsContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly findExit: Names['findExit'];
}

/** Look-ups at one time. */
const atOnce = 16;
/** Of them, such as are for domains that had no answer or none that leads on the last time. */
const strangersAtOnce = 12;
/** One look-up, with all of its questions. */
const lookUpMs = 20_000;
/** Domains that wait to be asked, and domains that are remembered. */
const mostWaiting = 10_000;
const mostRemembered = 10_000;
/** However long or short the domain's records say that they live, seconds. */
const shortestLife = 60;
const longestLife = 3_600;
const failedPause: Pause = { firstMs: 30_000, mostMs: 3_600_000 };

interface Remembered {
  readonly exit: Exclude<Exit, { kind: 'asking' }>;
  readonly untilMs: number;
  /** Look-ups in a row that led nowhere. */
  readonly failures: number;
}

/**
 * Finds by DNS where exits go. Whoever builds a packet chooses its domain, and that domain's name servers how long they take: so nobody
 * waits here. A relay asks again later; domains are asked for once at a time, few at once, in random order, whatever number of relays is
 * theirs, and for domains that led on before some places are kept. Ten thousand domains that never answer make other unknown
 * domains wait, and nothing else.
 */
export function createExits({ clock, random, findExit }: ExitsContext): Exits {
  const remembered = new Map<string, Remembered>();
  const known = createLine(random);
  const strangers = createLine(random);
  const asked = new Map<string, Promise<void>>();
  const ending = new AbortController();
  let strangersAsked = 0;

  const next = (): { domain: string; stranger: boolean } | undefined => {
    if (ending.signal.aborted || asked.size >= atOnce) return undefined;
    const acquainted = known.draw();
    if (acquainted !== undefined) return { domain: acquainted, stranger: false };
    const stranger = strangersAsked < strangersAtOnce ? strangers.draw() : undefined;
    return stranger === undefined ? undefined : { domain: stranger, stranger: true };
  };

  const begin = (): void => {
    for (let one = next(); one !== undefined; one = next()) {
      const { domain, stranger } = one;
      if (stranger) strangersAsked++;
      const ended = ask(domain).finally(() => {
        asked.delete(domain);
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
    const found = await findExit(domain, signal).catch((): FoundExit => ({ kind: 'failed' }));
    done.abort();
    if (!ending.signal.aborted) remember(domain, found);
  };

  const remember = (domain: string, found: FoundExit): void => {
    const failures = leadsNowhere(found) ? (remembered.get(domain)?.failures ?? 0) + 1 : 0;
    const lifeMs =
      failures > 0
        ? jitteredBackoff(failures - 1, failedPause, random)
        : Math.min(longestLife, Math.max(shortestLife, lifeOf(found))) * 1_000;
    remembered.delete(domain);
    remembered.set(domain, { exit: exitFrom(found), untilMs: clock.now() + lifeMs, failures });
    if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value ?? '');
  };

  return {
    find(domain) {
      const one = remembered.get(domain);
      if (one !== undefined) {
        // The one that was needed longest ago goes first.
        remembered.delete(domain);
        remembered.set(domain, one);
        if (one.untilMs > clock.now()) return one.exit;
      }
      if (!asked.has(domain)) (one?.exit.kind === 'found' ? known : strangers).add(domain);
      begin();
      return { kind: 'asking' };
    },
    async close() {
      ending.abort();
      await Promise.all(asked.values());
    },
  };
}

function exitFrom(found: FoundExit): Remembered['exit'] {
  if (found.kind === 'found') return { kind: 'found', peers: found.peers, tls: found.tls };
  if (found.kind === 'refused') return { kind: found.kind, enhanced: found.enhanced };
  return { kind: found.kind };
}

function leadsNowhere({ kind }: FoundExit): boolean {
  return kind === 'failed' || kind === 'unverifiable';
}

function lifeOf(found: FoundExit): number {
  return 'ttlSeconds' in found ? found.ttlSeconds : shortestLife;
}

/** Domains that wait, each once, drawn at random. When it is full a newcomer takes the place of one that is drawn, who asks again. */
interface Line {
  add(domain: string): void;
  draw(): string | undefined;
}

function createLine(random: Random): Line {
  const domains: string[] = [];
  const present = new Set<string>();
  const draw = (): string | undefined => {
    const at = Math.floor(uniform(random) * domains.length);
    const drawn = domains[at];
    const last = domains.pop();
    if (drawn === undefined || last === undefined) return undefined;
    if (at < domains.length) domains[at] = last;
    present.delete(drawn);
    return drawn;
  };
  return {
    add(domain) {
      if (present.has(domain)) return;
      if (domains.length >= mostWaiting) draw();
      domains.push(domain);
      present.add(domain);
    },
    draw,
  };
}
