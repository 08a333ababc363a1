import type { DirectoryClient } from '@postern/directory/client';
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
  readonly tlsPin: string;
  readonly smtp: Endpoint;
  readonly directory: DirectoryClient;
}

export interface Registration {
  /** Publishes a descriptor with these keys, and keeps trying until one directory has taken it. */
  announce(mixKeys: readonly EpochKey[]): void;
  close(): Promise<void>;
}

/** Tells the directory of this node: at the start and in every epoch, since a descriptor counts for a few epochs only. */
export function register(context: RegisterContext): Registration {
  const { clock, log, directory } = context;
  const news = createBell();
  let wanted: readonly EpochKey[] | undefined;

  const loop = startLoop(
    { clock, log, trouble: 'the directory did not take the descriptor' },
    async (stop) => {
      const mixKeys = wanted;
      if (mixKeys === undefined) return news.wait(stop);
      await directory.publish(describe({ ...context, mixKeys, now: clock.now() }));
      if (wanted === mixKeys) wanted = undefined;
      log.debug('registered');
    },
  );

  return {
    announce(mixKeys) {
      wanted = mixKeys;
      news.ring();
    },
    close: () => loop.stop(),
  };
}
