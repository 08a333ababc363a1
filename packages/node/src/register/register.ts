import { type DirectoryClient, DirectoryError, type Submission } from '@postern/directory/client';
import type { EpochKey } from '@postern/protocol/consensus';
import type { Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import { createBell } from '../bell.ts';
import { firstOf, startLoop } from '../loop.ts';
import { createDrawing, type DrawContext, type Undrawn } from './draw.ts';
import { untakenFields } from './trouble.ts';
import { createUntaken, mayPass, type Untaken } from './untaken.ts';

export interface RegisterContext extends DrawContext {
  readonly random: Random;
  readonly tlsPins: () => readonly string[];
  readonly directory: DirectoryClient;
}

export interface Registration {
  /** Publishes a descriptor with these keys, and keeps trying until every directory has taken it, or refused it for good. */
  announce(mixKeys: readonly EpochKey[]): void;
  /** Publishes one with the same keys, since something else has changed. */
  renew(): void;
  /** Directories that have not taken the newest. */
  untaken(): readonly Untaken[];
  /** Why there is no newest to take; nothing while one can be made. */
  undrawn(): Undrawn | undefined;
  close(): Promise<void>;
}

/** What was published last, and where it was not taken and may be still. */
interface Owed {
  readonly descriptor: string;
  readonly urls: readonly string[];
  readonly tries: number;
}

const pause = { firstMs: 1_000, mostMs: 300_000 };
/** How soon one is tried again that could not be made: what keeps it is on this machine. */
const redrawMs = 10_000;

/** Tells all directories of this node: at the start and in every epoch, since a descriptor counts for a few epochs only. */
export function register(context: RegisterContext): Registration {
  const { clock, random, log, directory } = context;
  const news = createBell();
  const drawing = createDrawing(context);
  let wanted: readonly EpochKey[] | undefined;
  let last: readonly EpochKey[] | undefined;
  let owed: Owed | undefined;
  const untaken = createUntaken({ clock, log });

  /** Again to those alone that have not taken it, and may: whoever refuses it for good gets the next one. */
  const publish = async (descriptor: string, before: Owed | undefined): Promise<void> => {
    const { accepted, failed } = await directory
      .publish(descriptor, before?.urls)
      .catch((error: unknown): Submission => {
        if (!(error instanceof DirectoryError)) throw error;
        untaken.note([], error.untaken);
        if (before === undefined) throw error;
        return { accepted: [], failed: error.untaken };
      });
    untaken.note(accepted, failed);
    if (failed.length > 0 && before === undefined)
      log.warn('some directories have not taken the descriptor', { count: failed.length });
    const urls = failed.filter(mayPass).map(({ url }) => url);
    owed = urls.length === 0 ? undefined : { descriptor, urls, tries: (before?.tries ?? 0) + 1 };
  };

  /** At `again`, or as soon as there is news. */
  const waitUntil = (again: number, stop: AbortSignal): Promise<void> =>
    firstOf(
      stop,
      (signal) => news.wait(signal),
      (signal) => clock.wait(again, signal),
    );

  const renewed = async (mixKeys: readonly EpochKey[], stop: AbortSignal): Promise<void> => {
    const tlsPins = context.tlsPins();
    const descriptor = await drawing.draw(mixKeys, tlsPins);
    if (descriptor === undefined) return waitUntil(clock.now() + redrawMs, stop);
    await publish(descriptor, undefined);
    last = mixKeys;
    if (wanted === mixKeys && sameTexts(tlsPins, context.tlsPins())) wanted = undefined;
    log.debug('registered');
  };

  const loop = startLoop(
    { clock, log, trouble: 'the directory did not take the descriptor', fieldsOf: untakenFields },
    async (stop) => {
      if (wanted !== undefined) return renewed(wanted, stop);
      const before = owed;
      if (before === undefined) return news.wait(stop);
      const again = clock.now() + jitteredBackoff(before.tries, pause, random);
      await waitUntil(again, stop);
      if (wanted === undefined && clock.now() >= again) await publish(before.descriptor, before);
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
    untaken: untaken.list,
    undrawn: drawing.undrawn,
    close: () => loop.stop(),
  };
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.join(' ') === b.join(' ');
}
