import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '@postern/runtime';
import type { NodeError } from '../../errors.ts';
import { redisFault } from './faults.ts';
import { answerMs, type Session } from './session.ts';

/** Keeps a session: when one ends, makes another, which is checked like the first. */
export interface Keeper {
  /** The session there is; rejects with what is wrong while there is none. */
  current(): Promise<Session>;
  /** Gives up, for a fault that making another cannot mend. */
  condemn(fault: NodeError): void;
  /** Whether there is a session, or one is looked for: not once it has given up, nor while a single attempt takes too long to be one. */
  isKept(): boolean;
  /** Resolves with such a fault. */
  readonly broken: Promise<NodeError>;
  close(): Promise<void>;
}

const tryAgainMs = 500;
/** An attempt is over before: none of its few steps waits longer for Redis than `answerMs`. */
const mostAttemptMs = 4 * answerMs;
/** The node has to start anew, and says then what is wrong. */
export const final: ReadonlySet<string> = new Set([
  'spool-lost',
  'spool-unsafe',
  'spool-foreign',
  'spool-damaged',
]);

/** `open` throws `NodeError`: what it throws the first time is thrown. Logs that the session was lost, and that there is one again. */
export async function createKeeper(
  open: () => Promise<Session>,
  log: Pick<Log, 'info' | 'warn'>,
  attemptMs: number = mostAttemptMs,
): Promise<Keeper> {
  const stop = new AbortController();
  const broken = Promise.withResolvers<NodeError>();
  let session: Session | undefined = await open();
  let condemned = false;
  /** When the session was lost, or the last attempt at another was over, by a timer that no clock moves. */
  let lookedMs = 0;
  let fault: NodeError = redisFault('spool-io', 'the connection to Redis was lost');

  const condemn = (found: NodeError): void => {
    fault = found;
    condemned = true;
    broken.resolve(found);
    void session?.close();
    session = undefined;
  };
  const again = async (): Promise<void> => {
    while (session === undefined && !stop.signal.aborted && !condemned) {
      try {
        session = await open();
        if (stop.signal.aborted) await session.close();
      } catch (error) {
        fault = error as NodeError;
        lookedMs = performance.now();
        if (final.has(fault.code)) return condemn(fault);
        await pause(tryAgainMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  };
  const watch = async (): Promise<void> => {
    while (session !== undefined) {
      const watched: Session = session;
      await watched.ended;
      if (stop.signal.aborted || condemned) return;
      session = undefined;
      lookedMs = performance.now();
      fault = redisFault('spool-io', 'the connection to Redis was lost');
      log.warn('redis does not answer', { code: fault.code });
      await watched.close();
      await again();
      if (session !== undefined && !stop.signal.aborted) log.info('redis answers again');
    }
  };
  const watching = watch();

  return {
    current: () => (session === undefined ? Promise.reject(fault) : Promise.resolve(session)),
    condemn,
    isKept: () => !condemned && (session !== undefined || performance.now() - lookedMs < attemptMs),
    broken: broken.promise,
    async close() {
      stop.abort();
      await session?.close();
      await watching;
    },
  };
}
