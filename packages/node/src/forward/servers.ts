import type { SendResult } from '@postern/mail';
import type { Clock, Random } from '@postern/runtime';
import { jitteredBackoff, type Pause } from '../backoff.ts';
import { createPlaces } from '../places.ts';

/**
 * Mail servers that DNS names, by address. A domain's own word decides which they are, and any number of domains can name one that is not
 * theirs: so few connections go to one address, whatever domains they are for, and one that cannot be reached is left alone.
 */
export interface Servers {
  /** When the first of these addresses is worth trying; in the past when one is now. */
  restUntil(addresses: readonly string[]): number;
  /** Runs `send` unless the address rests or has all its connections. */
  run(address: string, send: () => Promise<SendResult>): Promise<SendResult | undefined>;
}

/** Hand-overs to one address at one time. */
export const eachAtOnce = 16;
const rest: Pause = { firstMs: 1_000, mostMs: 900_000 };
/** Addresses that rest. */
const mostResting = 10_000;

export function createServers({
  clock,
  random,
}: {
  readonly clock: Clock;
  readonly random: Random;
}): Servers {
  const places = createPlaces({ all: Number.POSITIVE_INFINITY, each: eachAtOnce });
  const resting = new Map<string, { readonly failures: number; readonly untilMs: number }>();

  const restUntil = (address: string): number => {
    const { untilMs = 0 } = resting.get(address) ?? {};
    // Further off than any rest is: the clock has been set back since.
    return untilMs > clock.now() + rest.mostMs ? 0 : untilMs;
  };

  const note = (address: string, result: SendResult): void => {
    if (isCrowded(result)) return;
    const before = resting.get(address);
    if (!isOutOfReach(result)) return void resting.delete(address);
    // Those that were under way together fail together: one failure.
    if (restUntil(address) > clock.now()) return;
    const failures = (before?.failures ?? 0) + 1;
    resting.delete(address);
    resting.set(address, { failures, untilMs: clock.now() + jitteredBackoff(failures - 1, rest, random) });
    if (resting.size > mostResting) resting.delete(resting.keys().next().value ?? '');
  };

  return {
    restUntil: (addresses) => Math.min(...addresses.map(restUntil)),
    async run(address, send) {
      if (restUntil(address) > clock.now() || !places.enter(address)) return undefined;
      try {
        const result = await send();
        note(address, result);
        return result;
      } finally {
        places.leave(address);
      }
    },
  };
}

/** Whether no connection was free: nothing is known of the peer. */
export function isCrowded(result: SendResult): boolean {
  return result.kind === 'deferred' && result.reason === 'crowded';
}

/**
 * Nothing answered at the address. What a server says, or proves not to be, is about the domain that named it: else a domain could have
 * other domains' servers left alone.
 */
function isOutOfReach(result: SendResult): boolean {
  return result.kind === 'deferred' && (result.reason === 'unreachable' || result.reason === 'timeout');
}
