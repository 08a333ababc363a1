import type { Clock, Log } from '@postern/runtime';
import type { DomainKeys } from './domain.ts';
import { type Loop, startLoop } from './loop.ts';
import type { Spool } from './spool.ts';

/** Whether this process has the newest key of the domain that any of the gateway's processes has had. */
export interface NewestKey {
  /** Of the keys of this moment. Throws `NodeError` `spool-io`. */
  isHere(): Promise<boolean>;
  /** Tells the others of this process's own, and the log of one that it lacks. While it has all keys it takes up again what others deferred. */
  start(): Loop;
}

const everyMs = 60_000;

export function createNewestKey(context: {
  readonly clock: Clock;
  readonly log: Log;
  readonly spool: Pick<Spool, 'shared' | 'resumeDeferred'>;
  readonly keys: Pick<DomainKeys, 'newest' | 'fingerprints' | 'isComplete'>;
  /** Whether this process opens envelopes. */
  readonly unwraps: boolean;
}): NewestKey {
  const { clock, log, spool, keys, unwraps } = context;
  const said = new Set<string>();
  const isHere: NewestKey['isHere'] = async () => {
    const { shared } = spool;
    if (shared === undefined) return true;
    const held = keys.fingerprints();
    const fingerprint = await shared.newestKey(keys.newest());
    if (held.includes(fingerprint)) return true;
    if (!said.has(fingerprint))
      log.error(
        'another process of this gateway has a newer key of the domain: copy its domain-keys/ to this one; until then what may be for that key waits',
        { fingerprint },
      );
    said.add(fingerprint);
    return false;
  };
  /** What another process deferred for want of a key: it may have been taken away since. */
  const takeOver = async (): Promise<void> => {
    if ((await isHere()) && spool.shared !== undefined && unwraps && keys.isComplete())
      await spool.resumeDeferred();
  };
  return {
    isHere,
    start: () =>
      startLoop({ clock, log, trouble: 'the domain’s newest key could not be agreed upon' }, async (stop) => {
        await takeOver();
        await clock.wait(clock.now() + everyMs, stop);
      }),
  };
}
