import {
  type Consensus,
  decodeConsensus,
  readIssued,
  type Trust,
  type VerifiedCheckpoint,
} from '@postern/protocol/consensus';
import {
  appendLeaf,
  type CompactRange,
  createRows,
  emptyRange,
  hashOfLeaf,
  headOf,
  isSameHead,
  type Leaf,
  tilesOf,
  tileWidth,
} from '@postern/protocol/log';
import type { Finding } from './findings.ts';
import type { Sighting } from './proofs.ts';
import { NotServed, type Served } from './served.ts';
import { createUncertified } from './uncertified.ts';

/** One URL's history, gone through from the first consensus on. */
export interface History {
  readonly served: Served;
  readonly checkpoint: Extract<VerifiedCheckpoint, { kind: 'checkpoint' }>;
  /** Consensuses that hold. */
  readonly verified: number;
  /** Consensuses of epochs that are not asked about, as they are in the log. */
  readonly linked: number;
  /** Whether there is no next place. */
  readonly hasEnded: boolean;
  /** Whether all leaves have been gone through that the checkpoint counts. */
  readonly isWhole: boolean;
  /** What is at the next place. Nothing when the history has ended: by its checkpoint, or before it when there is no way on. */
  next(): Promise<Place | undefined>;
  /** What the log is checked for when it has been gone through: its root, and its tiles. */
  end(): Promise<void>;
}

export interface Place {
  readonly leaf: Leaf;
  /** The leaf before it. */
  readonly previous: Leaf | undefined;
  /** The consensus of its epoch, if enough have signed it. */
  readonly sighting?: Sighting;
  /** That consensus, or the one that is in the log, whoever has signed it. */
  readonly consensus?: Consensus;
}

export interface HistoryOptions {
  readonly served: Served;
  readonly checkpoint: History['checkpoint'];
  readonly trust: Trust;
  /** Whether signatures under the consensus of an epoch are held against those who are trusted. */
  readonly isAsked: (epoch: number) => boolean;
  readonly found: (finding: Omit<Finding, 'url'>) => void;
  /** Whether it is not gone through any further. */
  readonly isGivenUp: () => boolean;
}

/** Documents that are fetched ahead. */
const ahead = 8;

/** So many consensuses that are held against no signatures are gone through: a century of epochs of an hour. */
const mostUnheld = 1_048_576;

type Fetched = Promise<string | NotServed>;

export function openHistory(options: HistoryOptions): History {
  const { served, checkpoint, trust, isAsked, found, isGivenUp } = options;
  const { size } = checkpoint.head;
  const rows = createRows();
  const fetching = new Map<number, Fetched>();
  let leaves: readonly Leaf[] = [];
  let range: CompactRange = emptyRange;
  let previous: Leaf | undefined;
  let verified = 0;
  let linked = 0;
  const uncertified = createUncertified(trust);
  let ended = size === 0;
  const isTooLong = (): boolean => linked + uncertified.count >= mostUnheld;
  const hasEnded = (): boolean => ended || isGivenUp() || isTooLong();

  /** Ends the history when something that there has to be is not there. */
  const orEnd = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
      found({ reason: 'not-served', detail: error.message });
      ended = true;
      return undefined;
    }
  };

  const leafAt = async (place: number): Promise<Leaf | undefined> => {
    const index = Math.floor(place / tileWidth);
    if (place % tileWidth === 0) {
      const width = Math.min(tileWidth, size - place);
      leaves = (await orEnd(served.bundle({ level: 'entries', index, width }))) ?? [];
    }
    return leaves[place % tileWidth];
  };

  const documentAt = (epoch: number): Fetched => {
    const known = fetching.get(epoch);
    if (known !== undefined) return known;
    const fetched = served.document(epoch).catch(notServed);
    fetched.catch(() => undefined); // of those that are fetched ahead one alone is waited for
    fetching.set(epoch, fetched);
    return fetched;
  };
  const documentOf = (leaf: Leaf, place: number): Fetched => {
    const at = place % tileWidth;
    for (const { epoch } of leaves.slice(at, at + ahead)) void documentAt(epoch);
    const fetched = documentAt(leaf.epoch);
    fetching.delete(leaf.epoch);
    return fetched;
  };

  const consensusOf = async (
    leaf: Leaf,
    place: number,
  ): Promise<Pick<Place, 'sighting' | 'consensus'> | undefined> => {
    const { epoch } = leaf;
    const signed = await documentOf(leaf, place);
    if (typeof signed !== 'string') {
      found({ reason: 'not-served', epoch, detail: signed.message });
      return undefined;
    }
    const read = isAsked(epoch) ? readIssued(signed, trust) : undefined;
    if (read?.kind === 'consensus') {
      const wrong = mistakeIn(read, leaf, { range, previous });
      if (wrong === undefined) verified += 1;
      else found({ ...wrong, epoch });
      return { sighting: { url: served.url, signed, read }, consensus: read.consensus };
    }
    const decoded =
      read === undefined || uncertified.isShort(signed, read) ? decodeConsensus(signed) : undefined;
    if (decoded === undefined) {
      found({ reason: 'bad-document', epoch, detail: read?.detail ?? 'it is no consensus' });
      return undefined;
    }
    const wrong = mistakeIn(decoded, leaf, { range, previous });
    if (wrong !== undefined) {
      found({ ...wrong, epoch });
      return undefined;
    }
    if (read === undefined) linked += 1;
    else uncertified.add(epoch, read);
    return { consensus: decoded.consensus };
  };

  return {
    served,
    checkpoint,
    get verified() {
      return verified;
    },
    get linked() {
      return linked;
    },
    get hasEnded() {
      return hasEnded();
    },
    get isWhole() {
      return range.size === size;
    },
    async next() {
      const place = range.size;
      const leaf = hasEnded() ? undefined : await leafAt(place);
      if (leaf === undefined) return undefined;
      if (leaf.epoch <= (previous?.epoch ?? -1)) {
        found({
          reason: 'bad-leaf',
          epoch: leaf.epoch,
          detail: 'its leaf does not come after the one before it',
        });
        ended = true;
        return undefined;
      }
      const before = previous;
      const consensus = await consensusOf(leaf, place);
      const hash = hashOfLeaf(leaf);
      rows.append(hash);
      range = appendLeaf(range, hash);
      previous = leaf;
      ended ||= range.size === size;
      return { leaf, previous: before, ...consensus };
    },
    async end() {
      for (const detail of uncertified.told()) found({ reason: 'not-served', detail });
      if (isTooLong()) found({ reason: 'not-served', detail: tooLong });
      if (range.size < size) return;
      if (linked > 0 && verified === 0) found({ reason: 'not-served', detail: unbound });
      const { root } = headOf(range);
      if (root !== checkpoint.head.root)
        found({ reason: 'wrong-root', detail: 'its leaves do not have the root that its checkpoint names' });
      for (let level = 0; tileWidth ** level <= size; level++) {
        for (const name of tilesOf(level, size)) {
          const tile = await served.tile(name).catch(notServed);
          const own = rows.tile({ ...name, level });
          if (tile instanceof NotServed) found({ reason: 'not-served', detail: tile.message });
          else if (!Buffer.from(own ?? []).equals(tile))
            found({ reason: 'wrong-tile', detail: `tile ${level}/${name.index} is not that of its leaves` });
        }
      }
    },
  };
}

const tooLong = 'too many of its consensuses are held against no signatures; the rest was not looked at';
const unbound =
  'it has no consensus that holds of the epochs that are asked about: nothing signed says that the others are the ones that were issued';

/** What speaks against a consensus at its place in the log. */
function mistakeIn(
  { consensus, digest }: { readonly consensus: Consensus; readonly digest: string },
  leaf: Leaf,
  before: { readonly range: CompactRange; readonly previous: Leaf | undefined },
): Pick<Finding, 'reason' | 'detail'> | undefined {
  if (consensus.epoch !== leaf.epoch || digest !== leaf.digest)
    return { reason: 'other-document', detail: 'the consensus served is not the one in the log' };
  if (consensus.previous !== (before.previous?.digest ?? ''))
    return { reason: 'wrong-previous', detail: 'it does not name the consensus before it' };
  return isSameHead(consensus.log, headOf(before.range))
    ? undefined
    : { reason: 'wrong-log', detail: 'it does not name the log before it' };
}

function notServed(error: unknown): NotServed {
  if (error instanceof NotServed) return error;
  throw error;
}
