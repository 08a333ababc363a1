import { type DirectoryClient, DirectoryError, type Submission } from '@postern/directory/client';
import type { EpochKey } from '@postern/protocol/consensus';
import type { Clock, Endpoint, Log, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import { createBell } from '../bell.ts';
import type { NodeConfig } from '../config.ts';
import { NodeError } from '../errors.ts';
import type { Identity } from '../keys/identity.ts';
import { isEnding, loadSigningKey, type SigningKey } from '../keys/signing.ts';
import type { Load } from '../load.ts';
import { firstOf, startLoop } from '../loop.ts';
import { describe } from './descriptor.ts';
import { downtimeEpochs, readDowntime } from './downtime.ts';
import { createUntaken, mayPass, type Untaken } from './untaken.ts';

export interface RegisterContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly tlsPins: () => readonly string[];
  readonly smtp: Endpoint;
  readonly directory: DirectoryClient;
  readonly load: Load;
  readonly epochSeconds: number;
}

export interface Registration {
  /** Publishes a descriptor with these keys, and keeps trying until every directory has taken it, or refused it for good. */
  announce(mixKeys: readonly EpochKey[]): void;
  /** Publishes one with the same keys, since something else has changed. */
  renew(): void;
  /** Directories that have not taken the newest. */
  untaken(): readonly Untaken[];
  close(): Promise<void>;
}

/** What was published last, and where it was not taken and may be still. */
interface Owed {
  readonly descriptor: string;
  readonly urls: readonly string[];
  readonly tries: number;
}

const pause = { firstMs: 1_000, mostMs: 300_000 };
const dayMs = 86_400_000;

/** Tells all directories of this node: at the start and in every epoch, since a descriptor counts for a few epochs only. */
export function register(context: RegisterContext): Registration {
  const { clock, random, log, directory } = context;
  const news = createBell();
  const remind = createReminder(context);
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

  const renewed = async (mixKeys: readonly EpochKey[]): Promise<void> => {
    const tlsPins = context.tlsPins();
    await publish(await draw(context, mixKeys, tlsPins, remind), undefined);
    last = mixKeys;
    if (wanted === mixKeys && sameTexts(tlsPins, context.tlsPins())) wanted = undefined;
    log.debug('registered');
  };

  const loop = startLoop(
    { clock, log, trouble: 'the directory did not take the descriptor' },
    async (stop) => {
      if (wanted !== undefined) return renewed(wanted);
      const before = owed;
      if (before === undefined) return news.wait(stop);
      const again = clock.now() + jitteredBackoff(before.tries, pause, random);
      await firstOf(
        stop,
        (signal) => news.wait(signal),
        (signal) => clock.wait(again, signal),
      );
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
    close: () => loop.stop(),
  };
}

/** The descriptor of now: what an operator changes on disk is read again for each. */
async function draw(
  context: RegisterContext,
  mixKeys: readonly EpochKey[],
  tlsPins: readonly string[],
  remind: (keys: SigningKey) => void,
): Promise<string> {
  const { clock, config, identity, load, epochSeconds } = context;
  const keys = await loadSigningKey(config.dataDir);
  if (keys.id !== identity.id)
    throw new NodeError('wrong-key-file', 'the signing key is another node’s', {
      hint: 'Restore signing.key, or make one with the identity key of this node: postern-node certify --identity FILE',
    });
  remind(keys);
  const seconds = clock.now() / 1_000;
  const downtime = downtimeEpochs(await readDowntime(config.dataDir), seconds, epochSeconds);
  const { smtp } = context;
  return describe({ config, keys, tlsPins, smtp, mixKeys, load: load.told(), downtime, now: clock.now() });
}

/** Tells the log, once a day, that the signing key is about to end, or has. */
function createReminder({ clock, log }: RegisterContext): (keys: SigningKey) => void {
  let saidMs = Number.NEGATIVE_INFINITY;
  return (keys) => {
    if (!isEnding(keys, clock.now() / 1_000) || clock.now() < saidMs + dayMs) return;
    saidMs = clock.now();
    const fields = {
      until: new Date(keys.validUntil * 1_000).toISOString(),
      hint: 'make the next: postern-node certify --identity FILE',
    };
    if (clock.now() >= keys.validUntil * 1_000) log.error('signing key has ended', fields);
    else log.warn('signing key ends soon', fields);
  };
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.join(' ') === b.join(' ');
}
