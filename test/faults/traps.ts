import type { Chunk, TappedConnection } from '@postern/testkit';
import type { OnWire } from './points.ts';
import { watchExchanges } from './resp.ts';
import { type SmtpStep, watchSteps } from './steps.ts';

/** Cuts connections at steps that were named before. */
export interface Traps {
  /** What taps on the wires between nodes are to ask, and one before Redis. */
  readonly holdSmtp: Hold;
  readonly holdRedis: Hold;
  /**
   * Resolves with what `fire` gave, which is called in the moment when the step is seen on the wire to the node of that name, or on its wire to
   * Redis, before the cut; to false once `signal` aborts.
   */
  set(node: string, at: OnWire, fire: () => boolean, signal: AbortSignal): Promise<boolean>;
}

type Hold = (connection: TappedConnection, chunk: Chunk) => 'cut' | undefined;

/** Steps that come only when a connection is opened. */
const opening: ReadonlySet<SmtpStep> = new Set(['greeting', 'EHLO', 'STARTTLS', 'TLS']);

interface Trap {
  readonly node: string;
  readonly at: OnWire;
  readonly fire: () => void;
}

export function createTraps(): Traps {
  const smtp = new WeakMap<TappedConnection, ReturnType<typeof watchSteps>>();
  const redis = new WeakMap<TappedConnection, ReturnType<typeof watchExchanges>>();
  const traps = new Set<Trap>();

  const spring = (is: (trap: Trap) => boolean): 'cut' | undefined => {
    const trap = [...traps].find(is);
    if (trap === undefined) return undefined;
    traps.delete(trap);
    trap.fire();
    return 'cut';
  };

  return {
    holdSmtp(connection, chunk) {
      const watch = smtp.get(connection) ?? watchSteps();
      smtp.set(connection, watch);
      const sent = watch(chunk);
      if (sent === undefined) return undefined;
      const here = ({ node, at }: Trap) => (at.kind === 'wire' && node === connection.name ? at : undefined);
      const sprung = spring((trap) => {
        const at = here(trap);
        return at?.step === sent.step && at.what === sent.what;
      });
      // Where a connection has to be opened anew, those that are open have to go.
      const isAwaited = [...traps].some((trap) => opening.has(here(trap)?.step ?? 'MAIL'));
      return sprung ?? (isAwaited && !opening.has(sent.step) ? 'cut' : undefined);
    },
    holdRedis(connection, chunk) {
      const watch = redis.get(connection) ?? watchExchanges();
      redis.set(connection, watch);
      const exchanged = watch(chunk);
      return spring(
        ({ node, at }) =>
          at.kind === 'redis' &&
          exchanged.some((one) => one.node === node && one.script === at.script && one.what === at.what),
      );
    },
    set(node, at, fire, signal) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const trap = { node, at, fire: () => resolve(fire()) };
      traps.add(trap);
      const drop = (): void => {
        traps.delete(trap);
        resolve(false);
      };
      signal.addEventListener('abort', drop, { once: true });
      return promise.finally(() => signal.removeEventListener('abort', drop));
    },
  };
}
