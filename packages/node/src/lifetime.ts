import type { Clock } from '@postern/runtime';
import type { NodeError } from './errors.ts';

/** How a node ends: first nothing new is begun, then what is still under way is cut. */
export interface Lifetime {
  /** Aborts when the node begins to close. */
  readonly stopping: AbortSignal;
  /** Aborts when what is under way has had its time. */
  readonly cut: AbortSignal;
  /** Begins the end. */
  stop(): void;
  /** Everything has ended in time. */
  ended(): void;
  /** Says that the node cannot go on. */
  breakDown(error: NodeError): void;
  /** Resolves to why the node cannot go on; stays open otherwise. */
  readonly broken: Promise<NodeError>;
}

export function createLifetime(clock: Clock, drainMs: number): Lifetime {
  const stopping = new AbortController();
  const cut = new AbortController();
  const over = new AbortController();
  const broken = Promise.withResolvers<NodeError>();
  return {
    stopping: stopping.signal,
    cut: cut.signal,
    stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      clock.wait(clock.now() + drainMs, over.signal).then(
        () => cut.abort(),
        () => undefined,
      );
    },
    ended: () => over.abort(),
    breakDown: broken.resolve,
    broken: broken.promise,
  };
}
