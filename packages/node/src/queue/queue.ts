import type { Clock, Log } from '@postern/runtime';
import { createSetback, firstOf, startLoop } from '../loop.ts';
import { createSlots } from '../slots.ts';
import type { Input, Spool, Unit, UnitKind } from '../spool.ts';
import type { Link, Stage } from '../stage.ts';

export interface QueueContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly spool: Spool;
}

export interface QueueOptions {
  readonly kind: UnitKind;
  /** Batches in the next stage's hands at one time. */
  readonly lanes: number;
  /** Inputs in one batch. */
  readonly batch: number;
}

/** Makes units durable, and leaves them to other processes. */
export function stored(spool: Pick<Spool, 'accept'>): Stage<Unit> {
  return { take: (unit) => spool.accept(unit), close: async () => undefined };
}

/** Somebody else's lease may have ended without a sound. */
const lookAgainMs = 60_000;

/**
 * Makes units durable, and hands durable ones on in random order, batch by batch, as fast as the next stage takes them.
 * `take` resolves once the unit is durable, and rejects with a `NodeError` when it is not.
 */
export function queue(context: QueueContext, options: QueueOptions): Link<Unit, readonly Input[]> {
  const { spool, clock, log } = context;
  const { kind, lanes, batch } = options;
  return (next) => {
    const slots = createSlots(lanes);
    const troubled = { clock, log, trouble: `${kind} inputs could not be worked on` };
    const setback = createSetback(troubled);

    const handOn = async (inputs: Input[]): Promise<void> => {
      try {
        await next.take(inputs);
        setback.worked();
      } catch (error) {
        setback.failed(error);
        await spool.releaseInputs(inputs.map(({ id }) => id)).catch(() => undefined);
      } finally {
        slots.leave();
      }
    };

    const loop = startLoop(troubled, async (stop) => {
      await setback.pause(stop);
      await slots.enter();
      const inputs = stop.aborted ? [] : await spool.claimInputs(kind, batch).catch(leaveAndThrow(slots));
      if (inputs.length > 0) return void handOn(inputs);
      slots.leave();
      await firstOf(
        stop,
        (signal) => spool.wakeInputs(kind, signal),
        (signal) => clock.wait(clock.now() + lookAgainMs, signal),
      );
    });

    return {
      take: stored(spool).take,
      async close() {
        await loop.stop();
        await slots.empty();
      },
    };
  };
}

function leaveAndThrow(slots: { leave(): void }): (error: unknown) => never {
  return (error) => {
    slots.leave();
    throw error;
  };
}
