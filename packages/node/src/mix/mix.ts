import { type Held, holdUntilDue, type MixEvent } from '@postern/protocol/strategy';
import type { Clock, Log, Random } from '@postern/runtime';
import { createBell } from '../bell.ts';
import { freeMemory } from '../handed-over.ts';
import { inHand } from '../in-hand.ts';
import type { Lifetime } from '../lifetime.ts';
import { firstOf, startLoop } from '../loop.ts';
import { startPuller } from '../puller.ts';
import type { Due, Spool, Waiting } from '../spool.ts';
import type { Link } from '../stage.ts';

export interface MixContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spool: Spool;
  readonly lifetime: Pick<Lifetime, 'stopping'>;
  /** Relays in the next stage's hands at one time; `inHand` when not given. */
  readonly inFlight?: number;
}

/** Relays held in memory for their exact time; what comes on top waits on disk, where times are coarse. */
const heldLimit = 10_000;
/** Of them and those in the next stage's hands, those whose bytes are held too; the others' are read from disk when they leave. */
const bytesLimit = 512;
/** Those due later than this wait on disk. */
const horizonMs = 600_000;
/**
 * Holds each relay until it is due: the mixing. `take` resolves at once. Relays that come back from disk, after a
 * restart or a failed attempt, are due already and go on as there is room.
 */
export function mix(context: MixContext): Link<readonly Waiting[], Due> {
  const { clock, random, log, spool, lifetime, inFlight = inHand } = context;
  return (next) => {
    const strategy = holdUntilDue<Waiting>();
    const held = new Set<Waiting>();
    let withBytes = 0;
    const sooner = createBell();
    let state: Held<Waiting> = strategy.initial;
    let wakeAt: number | undefined;

    const puller = startPuller<Waiting>({
      clock,
      log,
      trouble: 'relays could not be taken from the spool',
      shelf: spool.relays,
      most: inFlight,
      stopping: lifetime.stopping,
      work: (relay) => next.take({ due: relay }).finally(() => dropBytes(relay)),
    });

    const dropBytes = ({ bytes }: Waiting): void => {
      if (bytes === undefined) return;
      withBytes -= 1;
      freeMemory(bytes);
    };

    const step = (event: MixEvent<Waiting>): void => {
      const before = wakeAt ?? Number.POSITIVE_INFINITY;
      const { release, ...after } = strategy.step(state, event, clock.now(), random);
      ({ state, wakeAt } = after);
      const crowded = release.filter((relay) => {
        held.delete(relay);
        return !puller.offer(relay);
      });
      crowded.forEach(dropBytes);
      giveBack(crowded);
      if ((wakeAt ?? Number.POSITIVE_INFINITY) < before) sooner.ring();
    };

    const giveBack = (relays: readonly Waiting[]): void => {
      if (relays.length > 0) void spool.relays.release(relays.map(({ id }) => id)).catch(() => undefined);
    };

    const timer = startLoop({ clock, log, trouble: 'mixing failed' }, async (stop) => {
      const until = wakeAt;
      await firstOf(
        stop,
        (signal) => sooner.wait(signal),
        ...(until === undefined ? [] : [(signal: AbortSignal) => clock.wait(until, signal)]),
      );
      step({ kind: 'tick' });
    });

    return {
      async take(relays) {
        const now = clock.now();
        const crowded: Waiting[] = [];
        for (const { bytes, ...rest } of relays) {
          const stays = held.size < heldLimit && rest.dueMs <= now + horizonMs;
          const whole = stays && withBytes < bytesLimit;
          if (bytes !== undefined && !whole) freeMemory(bytes);
          const relay: Waiting = bytes === undefined || !whole ? rest : { ...rest, bytes };
          if (!stays) crowded.push(relay);
          else {
            held.add(relay);
            if (relay.bytes !== undefined) withBytes += 1;
            step({ kind: 'arrival', packet: relay, delayMs: Math.max(0, relay.dueMs - now) });
          }
        }
        giveBack(crowded);
      },
      async close() {
        await timer.stop();
        await puller.close();
        giveBack([...held]);
      },
    };
  };
}
