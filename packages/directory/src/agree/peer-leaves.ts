import {
  appendLeaf,
  type CompactRange,
  decodeBundle,
  emptyRange,
  formatTileName,
  hashOfLeaf,
  headOf,
  isSameHead,
  type Leaf,
  type LogHead,
  maxLeafBytes,
  tilesOf,
  tileWidth,
} from '@postern/protocol/log';
import type { Peers } from './peers.ts';

/**
 * The leaves that a log has beyond those here: a log whose head is known to be right, as others serve it. All are asked side by side, and the first one whose
 * leaves have the root is believed, so that nobody keeps the others waiting. `fork` when the log does not begin with the one here;
 * undefined when nobody gives it.
 */
export async function leavesBetween(
  peers: Pick<Peers, 'names' | 'ask'>,
  here: CompactRange,
  head: LogHead,
): Promise<readonly Leaf[] | 'fork' | undefined> {
  if (head.size <= here.size) return isSameHead(headOf(here), head) ? [] : 'fork';
  const more = await firstOf(peers, here, head);
  if (more !== undefined) return more;
  // they may have given wrong ones, or none; only the whole log shows whether it is another one
  const whole = here.size === 0 ? undefined : await firstOf(peers, emptyRange, head);
  if (whole === undefined) return undefined;
  const begins = rangeOf(whole.slice(0, here.size), emptyRange);
  return isSameHead(headOf(begins), headOf(here)) ? whole.slice(here.size) : 'fork';
}

/** Leaves that lead from a range to a head, from whoever has them first. */
async function firstOf(
  { names, ask }: Pick<Peers, 'names' | 'ask'>,
  range: CompactRange,
  head: LogHead,
): Promise<readonly Leaf[] | undefined> {
  let found: readonly Leaf[] | undefined;
  const leavesOf = async (name: string): Promise<readonly Leaf[]> => {
    const leaves: Leaf[] = [];
    for (const tile of tilesOf('entries', head.size, range.size)) {
      // somebody else was quicker
      if (found !== undefined) return found;
      const answer = await ask(name, `/v1/log/tile/${formatTileName(tile)}`, { maxBytes: mostBytes });
      const isThere = answer.kind === 'answer' && answer.status === 200;
      // bundles are ASCII, their lengths too
      const bundle = isThere ? decodeBundle(tile, Buffer.from(answer.text)) : undefined;
      if (bundle === undefined) throw new NoLeaves();
      for (const leaf of bundle.slice(Math.max(0, range.size - tile.index * tileWidth))) leaves.push(leaf);
    }
    if (!isSameHead(headOf(rangeOf(leaves, range)), head)) throw new NoLeaves();
    found = leaves;
    return leaves;
  };
  try {
    return await Promise.any(names.map(leavesOf));
  } catch (error) {
    if (error instanceof AggregateError && error.errors.every((one) => one instanceof NoLeaves))
      return undefined;
    throw error;
  }
}

function rangeOf(leaves: readonly Leaf[], from: CompactRange): CompactRange {
  return leaves.reduce((grown, leaf) => appendLeaf(grown, hashOfLeaf(leaf)), from);
}

class NoLeaves extends Error {
  override readonly name = 'NoLeaves';
}

/** Longest bundle, bytes. */
const mostBytes = tileWidth * (maxLeafBytes + 2);
