import {
  type AuthorityKey,
  decodeConsensus,
  readIssued,
  type Trust,
  verifyCheckpoint,
} from '@postern/protocol/consensus';
import type { AskOptions } from '../ask.ts';
import type { Finding } from './findings.ts';
import type { Found } from './found.ts';
import { type History, openHistory } from './history.ts';
import type { Sighting } from './proofs.ts';
import { type Certified, NotServed, openServed, type Served } from './served.ts';

export interface OpenOptions extends AskOptions {
  /** Without a slash at the end; each an authority or a mirror. */
  readonly urls: readonly string[];
  readonly authorities: readonly AuthorityKey[];
  readonly threshold: number;
  /** The first and the last epoch whose consensuses these authorities had to sign; all, where one is not given. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Unix seconds. */
  readonly now: number;
}

/** What the URLs serve that is not in order yet: their own words, before the first consensus is looked at. */
export interface Opened {
  readonly histories: readonly History[];
  /** The newest consensus of each URL that has one that holds, or is of an epoch that is not asked about. */
  readonly newest: readonly Newest[];
  readonly certified: readonly Certified[];
  readonly trust: Trust;
}

export interface Newest extends Pick<Sighting['read'], 'consensus' | 'digest'> {
  readonly url: string;
  /** If enough have signed it. */
  readonly sighting: Sighting | undefined;
}

/** Whether those who are trusted had to sign the consensus of an epoch. */
export function isAsked(
  { since = 0, until = Number.POSITIVE_INFINITY }: Pick<OpenOptions, 'since' | 'until'>,
  epoch: number,
): boolean {
  return since <= epoch && epoch <= until;
}

export async function openAll(options: OpenOptions, found: Found): Promise<Opened> {
  const { authorities, threshold, now } = options;
  const served = options.urls.map((url) =>
    openServed(url, { ...options, unanswered: () => found.unanswered(url) }),
  );
  const orFinding = async <T>({ url }: Served, work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
      found.add({ url, reason: 'not-served', detail: error.message });
      return undefined;
    }
  };
  const each = <T>(work: (one: Served) => Promise<T>): Promise<(T | undefined)[]> =>
    Promise.all(served.map((one) => orFinding(one, work(one))));

  const certified = (await each((one) => one.certificates(authorities))).flatMap((some) => some ?? []);
  const trust: Trust = { authorities, threshold, signingKeys: certified.map(({ key }) => key) };
  const documents = await each((one) => one.newest());
  const newest = served.flatMap(({ url }, at): Newest[] => {
    const signed = documents[at];
    const read = signed === undefined ? undefined : readNewest(url, signed, trust, options);
    if (typeof read !== 'string') return read === undefined ? [] : [read];
    found.add({ url, reason: 'bad-document', detail: `its newest consensus: ${read}` });
    return [];
  });
  const checkpoints = await each((one) => one.checkpoint());
  const histories = served.flatMap((one, at) => {
    const signed = checkpoints[at];
    if (signed === undefined) return [];
    const { url } = one;
    const add = (finding: Omit<Finding, 'url'>): void => found.add({ url, ...finding });
    const checkpoint = verifyCheckpoint(signed, { ...trust, now });
    if (checkpoint.kind === 'checkpoint')
      return [
        openHistory({
          served: one,
          checkpoint,
          trust,
          isAsked: (epoch) => isAsked(options, epoch),
          found: add,
          isGivenUp: () => found.isGivenUp(url),
        }),
      ];
    add({ reason: 'bad-checkpoint', detail: checkpoint.detail });
    return [];
  });
  return { histories, newest, certified, trust };
}

/** Why it counts for nothing, for people. */
function readNewest(url: string, signed: string, trust: Trust, options: OpenOptions): Newest | string {
  const decoded = decodeConsensus(signed);
  if (decoded !== undefined && !isAsked(options, decoded.consensus.epoch))
    return { url, ...decoded, sighting: undefined };
  const read = readIssued(signed, trust);
  return read.kind === 'consensus' ? { url, ...read, sighting: { url, signed, read } } : read.detail;
}
