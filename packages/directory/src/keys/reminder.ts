import type { Clock, Log } from '@postern/runtime';
import type { SigningKeys } from './signing.ts';

/** Seconds before a signing key ends from which on the operator is told. */
const warnSeconds = 604_800;

const dayMs = 86_400_000;

export interface ReminderOptions {
  readonly keys: SigningKeys;
  readonly clock: Clock;
  readonly log: Log;
}

/** Tells the log, once a day, that a signing key is about to end, or has. Disposing of it ends that. */
export function startReminder({ keys, clock, log }: ReminderOptions): AsyncDisposable {
  const stop = new AbortController();
  const remind = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const fromMs = (keys.validUntil() - warnSeconds) * 1_000;
      const ends = fromMs <= clock.now();
      if (ends) warn(keys, clock, log);
      await clock.wait(ends ? clock.now() + dayMs : fromMs, stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
    }
  };
  const reminding = remind();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reminding;
    },
  };
}

/** Whether somebody has to see to it now. */
export function isEnding(validUntil: number, nowSeconds: number): boolean {
  return nowSeconds >= validUntil - warnSeconds;
}

function warn(keys: SigningKeys, clock: Clock, log: Log): void {
  const seconds = keys.validUntil();
  const fields = {
    until: new Date(seconds * 1_000).toISOString(),
    hint: 'make the next: postern-directory certify --identity FILE',
  };
  if (clock.now() >= seconds * 1_000) log.error('signing key has ended', fields);
  else log.warn('signing key ends soon', fields);
}
