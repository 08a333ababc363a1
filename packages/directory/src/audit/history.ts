import {
  type IssuedConsensus,
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

/** One URL's history, gone through from the first consensus on. */
export interface History {
  readonly served: Served;
  readonly checkpoint: Extract<VerifiedCheckpoint, { kind: 'checkpoint' }>;
  /** Consensuses that hold. */
  readonly verified: number;
  /** Whether there is no next place. */
  readonly hasEnded: boolean;
  /** Whether all leaves have been gone through that the checkpoint counts. */
  readonly isWhole: boolean;
  /** The leaf at the next place, and the consensus of its epoch if that holds. Nothing when the history has ended: by its checkpoint, or before it when there is no way on. */
  next(): Promise<{ readonly leaf: Leaf; readonly sighting?: Sighting } | undefined>;
  /** What the log is checked for when it has been gone through: its root, and its tiles. */
  end(): Promise<void>;
}

export interface HistoryOptions {
  readonly served: Served;
  readonly checkpoint: History['checkpoint'];
  readonly trust: Trust;
  readonly found: (finding: Omit<Finding, 'url'>) => void;
}

/** Documents that are fetched ahead. */
const ahead = 8;

/** After so many findings a history is not gone through any further: more would say nothing new, and whoever serves it has no end of them. */
const mostFindings = 256;

type Fetched = Promise<string | NotServed>;

export function openHistory({ served, checkpoint, trust, ...options }: HistoryOptions): History {
  const { size } = checkpoint.head;
  const rows = createRows();
  const fetching = new Map<number, Fetched>();
  let leaves: readonly Leaf[] = [];
  let range: CompactRange = emptyRange;
  let previous: Leaf | undefined;
  let verified = 0;
  let ended = size === 0;
  let findings = 0;

  const found = (finding: Omit<Finding, 'url'>): void => {
    options.found(finding);
    findings += 1;
    if (findings !== mostFindings) return;
    options.found({
      reason: 'too-many',
      detail: 'there is too much amiss with it; the rest was not looked at',
    });
    ended = true;
  };
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

  const sightingOf = async (leaf: Leaf, place: number): Promise<Sighting | undefined> => {
    const { epoch } = leaf;
    const signed = await documentOf(leaf, place);
    if (typeof signed !== 'string') {
      found({ reason: 'not-served', epoch, detail: signed.message });
      return undefined;
    }
    const read = readIssued(signed, trust);
    if (read.kind === 'refused') {
      found({ reason: 'bad-document', epoch, detail: read.detail });
      return undefined;
    }
    const wrong = mistakeIn(read, leaf, { range, previous });
    if (wrong === undefined) verified += 1;
    else found({ ...wrong, epoch });
    return { url: served.url, signed, read };
  };

  return {
    served,
    checkpoint,
    get verified() {
      return verified;
    },
    get hasEnded() {
      return ended;
    },
    get isWhole() {
      return range.size === size;
    },
    async next() {
      const place = range.size;
      const leaf = ended ? undefined : await leafAt(place);
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
      const sighting = await sightingOf(leaf, place);
      const hash = hashOfLeaf(leaf);
      rows.append(hash);
      range = appendLeaf(range, hash);
      previous = leaf;
      ended ||= range.size === size;
      return { leaf, ...(sighting && { sighting }) };
    },
    async end() {
      if (range.size < size) return;
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

/** What speaks against a consensus at its place in the log. */
function mistakeIn(
  { consensus, digest }: Extract<IssuedConsensus, { kind: 'consensus' }>,
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
