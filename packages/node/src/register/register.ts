import { type DirectoryClient, DirectoryError } from '@postern/directory/client';
import type { EpochKey } from '@postern/protocol/consensus';
import type { Clock, Endpoint, Log } from '@postern/runtime';
import { createBell } from '../bell.ts';
import type { NodeConfig } from '../config.ts';
import type { Identity } from '../keys/identity.ts';
import { startLoop } from '../loop.ts';
import { describe } from './descriptor.ts';

export interface RegisterContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly tlsPins: () => readonly string[];
  readonly smtp: Endpoint;
  readonly directory: DirectoryClient;
}

export interface Registration {
  /** Publishes a descriptor with these keys, and keeps trying until one directory has taken it. */
  announce(mixKeys: readonly EpochKey[]): void;
  /** Publishes one with the same keys, since something else has changed. */
  renew(): void;
  close(): Promise<void>;
}

/** Tells the directory of this node: at the start and in every epoch, since a descriptor counts for a few epochs only. */
export function register(context: RegisterContext): Registration {
  const { clock, log, directory } = context;
  const news = createBell();
  let wanted: readonly EpochKey[] | undefined;
  let last: readonly EpochKey[] | undefined;
  let refusal: string | undefined;
  const note = (reason: string | undefined): void => {
    if (reason !== undefined && reason !== refusal) log.warn('the directory refuses this node', { reason });
    refusal = reason;
  };

  const loop = startLoop(
    { clock, log, trouble: 'the directory did not take the descriptor' },
    async (stop) => {
      const mixKeys = wanted;
      if (mixKeys === undefined) return news.wait(stop);
      const tlsPins = context.tlsPins();
      const descriptor = describe({ ...context, tlsPins, mixKeys, now: clock.now() });
      await directory.publish(descriptor).catch((error: unknown) => {
        note(error instanceof DirectoryError ? error.refusal : undefined);
        throw error;
      });
      note(undefined);
      last = mixKeys;
      if (wanted === mixKeys && sameTexts(tlsPins, context.tlsPins())) wanted = undefined;
      log.debug('registered');
    },
  );

  return {
    announce(mixKeys) {
      wanted = mixKeys;
      news.ring();
    },
    renew() {
      wanted ??= last;
      news.ring();
    },
    close: () => loop.stop(),
  };
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.join(' ') === b.join(' ');
}
