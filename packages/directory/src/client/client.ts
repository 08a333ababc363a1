import { assertTrust, ProtocolError, parseAuthorityKey } from '@postern/protocol/consensus';
import { type Clock, type Log, type Random, silentLog, systemRandom } from '@postern/runtime';
import { type ConsensusCache, openCache } from './cache.ts';
import { openCertificates } from './certificates.ts';
import {
  collectParameters,
  type Directory,
  type NetworkParameters,
  type VerifiedConsensus,
} from './collect.ts';
import { DirectoryError, errorOf } from './errors.ts';
import { createKeeper } from './keeper.ts';
import { type Submission, submit, submitTo } from './submit.ts';
import { baseOf } from './url.ts';

export interface DirectoryClientOptions {
  /** http or https, in any order; each an authority or a mirror. */
  readonly urls: readonly string[];
  /** Verifier keys of the authorities. */
  readonly authorities: readonly string[];
  /** How many of them must have signed. */
  readonly threshold: number;
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
  /** Fetches whatever the cache holds; throws when no URL gives a valid consensus. */
  refresh(): Promise<VerifiedConsensus>;
  /** Epoch length, delay and geometry: from the consensus, or as signed by the authorities before there is one. */
  parameters(): Promise<NetworkParameters>;
  /** Epoch of the newest consensus that was ever taken, in an earlier run too; nothing when none was. */
  newest(): number | undefined;
  /** Posts a signed descriptor to every URL; throws `not-published` when none accepts it. */
  publish(descriptor: string): Promise<Submission>;
  /** Posts one again to URLs of which it is said that they may take it later. */
  publishTo(urls: readonly string[], descriptor: string): Promise<Submission>;
}

/** Throws `DirectoryError` `wrong-configuration` when URLs, keys or threshold cannot hold. */
export function createDirectoryClient(options: DirectoryClientOptions): DirectoryClient {
  const cache = openCache(options.cacheDir);
  const now = (): number => Math.floor(options.clock.now() / 1_000);
  const directory = directoryOf(options, cache, now);
  const keeper = createKeeper(directory, {
    cache,
    clock: options.clock,
    log: options.log ?? silentLog,
  });
  return {
    current: () => keeper.current(),
    refresh: () => keeper.refresh(),
    async parameters() {
      const held = await keeper.valid();
      if (held !== undefined) {
        const { consensus, geometry } = held;
        return { epochSeconds: consensus.epochSeconds, meanDelayMs: consensus.meanDelayMs, geometry };
      }
      const { found, failures } = await collectParameters(directory, now);
      if (found !== undefined) return found;
      throw errorOf('no directory gives parameters that hold', failures);
    },
    newest: () => cache.seen()?.epoch,
    publish: (descriptor) => submit(directory, descriptor),
    publishTo: (urls, descriptor) => submitTo(directory, urls, descriptor),
  };
}

function directoryOf(
  options: DirectoryClientOptions,
  { certificates: shelf }: ConsensusCache,
  now: () => number,
): Directory {
  const { urls, threshold, random = systemRandom, timeoutMs = 30_000, signal } = options;
  if (urls.length === 0) throw new DirectoryError('wrong-configuration', 'no directory URL is configured');
  try {
    const authorities = options.authorities.map(parseAuthorityKey);
    assertTrust({ authorities, threshold });
    const certificates = openCertificates({ authorities, shelf, now });
    return { urls: urls.map(baseUrl), authorities, threshold, random, timeoutMs, signal, certificates };
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
