import {
  assertTrust,
  type Consensus,
  ProtocolError,
  parseAuthorityKey,
  type Told,
} from '@postern/protocol/consensus';
import { type Clock, type Log, type Random, silentLog, systemRandom } from '@postern/runtime';
import { type Archive, openArchive } from './archive.ts';
import { type ConsensusCache, openCache } from './cache.ts';
import { openCertificates } from './certificates.ts';
import {
  collectParameters,
  type Directory,
  type NetworkParameters,
  type VerifiedConsensus,
} from './collect.ts';
import { isCounted } from './counted.ts';
import { DirectoryError, errorOf } from './errors.ts';
import type { Heard } from './hear.ts';
import { createKeeper } from './keeper.ts';
import { createOutages } from './outages.ts';
import { openRecent, storedIn } from './recent.ts';
import { type Submission, submit } from './submit.ts';
import { baseOf } from './url.ts';

export interface DirectoryClientOptions {
  /** http or https, in any order; each an authority or a mirror. */
  readonly urls: readonly string[];
  /** Verifier keys of the authorities. */
  readonly authorities: readonly string[];
  /** How many of them must have signed. */
  readonly threshold: number;
  /** Whether mirrors of nodes are asked as well, before those URLs; true unless given. */
  readonly mirrors?: boolean | undefined;
  /** Holds the last consensus and the memory against older ones. Made when needed. */
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly log?: Log;
  readonly random?: Random;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
  /** For one exchange with one URL; 30 s unless given. */
  readonly timeoutMs?: number;
}

/** A reader's end of the directory. It fails closed: without a valid consensus every call throws a `DirectoryError`. */
export interface DirectoryClient {
  /**
   * The consensus to use now: the cached one while it is fresh, else a newer one, else the cached one while it is valid.
   * Calls that come while one is under way share its outcome.
   */
  current(): Promise<VerifiedConsensus>;
  /**
   * For those who run all the time: as `current`, and in the last part of an epoch the next consensus is fetched, to be used when its
   * epoch begins.
   */
  renew(): Promise<VerifiedConsensus>;
  /** When `renew` is due again, milliseconds: drawn at random, so that not all come together. Passed when there is no consensus. */
  renewAt(): number;
  /** Fetches whatever the cache holds; throws when no URL gives a valid consensus. */
  refresh(): Promise<VerifiedConsensus>;
  /** Epoch length, delay and geometry: from the consensus, or as signed by the authorities before there is one. */
  parameters(): Promise<NetworkParameters>;
  /** Epoch of the newest consensus that was ever taken, in an earlier run too; nothing when none was. */
  newest(): number | undefined;
  /** What is here as it was signed, for a mirror. */
  readonly archive: Archive;
  /** Holds what a node says that it goes by against what is known here. A proof that authorities have signed two documents stops everything: `fork`. */
  hear(told: Told): Promise<Heard>;
  /**
   * Consensuses that were taken before the newest one, in an earlier run too, and whose packets mixes may open still; the newest of them first. Those that
   * cannot be read or verified are left out.
   */
  recent(): readonly Consensus[];
  /** Whether a directory shows, by a proof that holds, that a node was counted for a consensus that has no entry of it. */
  counted(id: string, consensus: VerifiedConsensus): Promise<boolean>;
  /** Posts a signed descriptor to every URL, or to those given; throws `not-published` when none accepts it. */
  publish(descriptor: string, urls?: readonly string[]): Promise<Submission>;
  /**
   * Ids of the mixes that enough authorities cannot reach, which no new path is to go through. Asked for at most every few minutes; what could not
   * be had takes nobody out.
   */
  out(consensus: VerifiedConsensus): Promise<readonly string[]>;
}

/** Throws `DirectoryError` `wrong-configuration` when URLs, keys or threshold cannot hold. */
export function createDirectoryClient(options: DirectoryClientOptions): DirectoryClient {
  const cache = openCache(options.cacheDir);
  const now = (): number => Math.floor(options.clock.now() / 1_000);
  const directory = directoryOf(options, cache, now);
  const stored = storedIn(directory, cache);
  const recent = openRecent(cache, stored);
  const keeper = createKeeper(directory, {
    cache,
    stored,
    clock: options.clock,
    log: options.log ?? silentLog,
  });
  const outages = createOutages(directory, { store: cache.outages, clock: options.clock });
  return {
    current: () => keeper.current(),
    renew: () => keeper.renew(),
    renewAt: () => keeper.renewAt(),
    refresh: () => keeper.refresh(),
    hear: (told) => keeper.hear(told),
    async parameters() {
      const held = await keeper.valid();
      if (held !== undefined) {
        const { consensus, geometry } = held;
        return { epochSeconds: consensus.epochSeconds, meanDelayMs: consensus.meanDelayMs, geometry };
      }
      const { found, failures } = await collectParameters(directory, now);
      if (found !== undefined) {
        const { epochSeconds, meanDelayMs, geometry } = found;
        return { epochSeconds, meanDelayMs, geometry };
      }
      throw errorOf('no directory gives parameters that hold', failures);
    },
    archive: openArchive(directory, { keeper, outages, now }),
    newest: () => cache.seen()?.epoch,
    recent: () => recent(now()),
    counted: (id, consensus) => isCounted(directory, id, consensus),
    publish: (descriptor, urls) => submit(directory, descriptor, urls),
    out: ({ consensus }) => outages.out(consensus),
  };
}

function directoryOf(
  options: DirectoryClientOptions,
  { certificates: store }: ConsensusCache,
  now: () => number,
): Directory {
  const { urls, threshold, mirrors = true, random = systemRandom, timeoutMs = 30_000, signal } = options;
  if (urls.length === 0) throw new DirectoryError('wrong-configuration', 'no directory URL is configured');
  try {
    const authorities = options.authorities.map(parseAuthorityKey);
    assertTrust({ authorities, threshold });
    const certificates = openCertificates({ authorities, store, now });
    return {
      urls: urls.map(baseUrl),
      mirrors,
      authorities,
      threshold,
      random,
      timeoutMs,
      signal,
      certificates,
    };
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new DirectoryError('wrong-configuration', cause.message, { cause });
  }
}

function baseUrl(text: string): string {
  const base = baseOf(text);
  if (base !== undefined) return base;
  throw new DirectoryError(
    'wrong-configuration',
    'a directory URL is not of the form http(s)://host:port/path',
  );
}
