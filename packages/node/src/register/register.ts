import { type DirectoryClient, DirectoryError, type Submission } from '@postern/directory/client';
import type { EpochKey } from '@postern/protocol/consensus';
import type { Clock, Endpoint, Log, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import { createBell } from '../bell.ts';
import type { NodeConfig } from '../config.ts';
import type { Identity } from '../keys/identity.ts';
import { firstOf, startLoop } from '../loop.ts';
import { describe } from './descriptor.ts';

export interface RegisterContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly tlsPins: () => readonly string[];
  readonly smtp: Endpoint;
  readonly directory: Pick<DirectoryClient, 'publish' | 'publishTo'>;
}

export interface Registration {
  /** Publishes a descriptor with these keys, and keeps trying until every authority that may take it has taken it. */
  announce(mixKeys: readonly EpochKey[]): void;
  /** Publishes one with the same keys, since something else has changed. */
  renew(): void;
  close(): Promise<void>;
}

/** A descriptor that some authorities have, and others may still take: a node is listed when most authorities have heard of it. */
interface Outstanding {
  readonly descriptor: string;
  readonly urls: readonly string[];
  readonly misses: number;
}

/** Between one post of a descriptor to authorities that lack it and the next. */
const pause = { firstMs: 250, mostMs: 30_000 };

/** Tells the authorities of this node: at the start and in every epoch, since a descriptor counts for a few epochs only. */
export function register(context: RegisterContext): Registration {
  const { clock, random, log, directory } = context;
  const news = createBell();
  const complaints = createComplaints(log);
  let wanted: readonly EpochKey[] | undefined;
  let last: readonly EpochKey[] | undefined;
  let outstanding: Outstanding | undefined;

  const settle = (descriptor: string, { accepted, failed }: Submission, misses: number): void => {
    complaints.note(accepted, failed);
    const urls = failed.filter(({ again }) => again).map(({ url }) => url);
    outstanding = urls.length === 0 ? undefined : { descriptor, urls, misses };
  };
  const publish = async (mixKeys: readonly EpochKey[]): Promise<void> => {
    const tlsPins = context.tlsPins();
    const descriptor = describe({ ...context, tlsPins, mixKeys, now: clock.now() });
    const submission = await directory.publish(descriptor).catch((error: unknown) => {
      complaints.allRefuse(error instanceof DirectoryError ? error.refusal : undefined);
      throw error;
    });
    complaints.allRefuse(undefined);
    last = mixKeys;
    if (wanted === mixKeys && sameTexts(tlsPins, context.tlsPins())) wanted = undefined;
    settle(descriptor, submission, 0);
    log.debug('registered');
  };
  const publishAgain = async ({ descriptor, urls, misses }: Outstanding): Promise<void> => {
    settle(descriptor, await directory.publishTo(urls, descriptor), misses + 1);
  };

  const loop = startLoop(
    { clock, log, trouble: 'the directory did not take the descriptor' },
    async (stop) => {
      if (wanted !== undefined) return publish(wanted);
      if (outstanding === undefined) return news.wait(stop);
      const dueMs = clock.now() + jitteredBackoff(outstanding.misses, pause, random);
      await firstOf(
        stop,
        (signal) => news.wait(signal),
        (signal) => clock.wait(dueMs, signal),
      );
      if (wanted === undefined) await publishAgain(outstanding);
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

/** Says what is wrong with directories once, until it is something else. */
function createComplaints(log: Log) {
  const standing = new Map<string, string>();
  let refusal: string | undefined;
  return {
    note(accepted: Submission['accepted'], failed: Submission['failed']): void {
      for (const url of accepted)
        if (standing.delete(url)) log.info('an authority has the descriptor again', { url });
      for (const { url, refusal: reason = 'unreachable', again } of failed) {
        if (standing.get(url) === reason) continue;
        standing.set(url, reason);
        // a mirror takes none, and need not be told of again
        if (again || reason !== 'unreachable')
          log.warn('an authority has not taken the descriptor', { url, reason });
      }
    },
    /** `undefined` when one has taken it, or none was reached. */
    allRefuse(reason: string | undefined): void {
      if (reason !== undefined && reason !== refusal) log.warn('the directory refuses this node', { reason });
      refusal = reason;
    },
  };
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.join(' ') === b.join(' ');
}
