import {
  appendLeaf,
  createRows,
  emptyRange,
  encodeBundle,
  hashOfLeaf,
  headOf,
  type Leaf,
  type LogHead,
  type TileName,
  tileWidth,
} from '@postern/protocol/log';
import type { Archive } from '../client/archive.ts';
import type { ConsensusLog } from '../log/log.ts';

/** A copy of the log, in memory: some hundred bytes for each consensus. */
export interface CopiedLog extends Pick<ConsensusLog, 'tile'> {
  readonly size: number;
  /** The root when there were so many leaves; undefined when there are not so many. */
  rootAt(size: number): string | undefined;
  /** Fetches what is missing up to this head, and takes it if it has the root, with one leaf more behind it. Whether it is there now. */
  extend(head: LogHead, leaf: Leaf): Promise<boolean>;
}

/** Most leaves that are copied: as many as a reader fetches hashes of (spec log 6). */
const mostLeaves = 2 ** 22;

export function copyLog({ logs }: Pick<Archive, 'logs'>): CopiedLog {
  const rows = createRows();
  const leaves: Leaf[] = [];
  const roots: string[] = [headOf(emptyRange).root];
  let range = emptyRange;
  const append = (leaf: Leaf): void => {
    const hash = hashOfLeaf(leaf);
    range = appendLeaf(range, hash);
    rows.append(hash);
    leaves.push(leaf);
    roots.push(headOf(range).root);
  };

  /** The leaves from the size here up to another, from one who has such as lead to the root. */
  const missing = async ({ size, root }: LogHead): Promise<readonly Leaf[] | undefined> => {
    if (leaves.length > size || size - leaves.length > mostLeaves) return undefined;
    if (leaves.length === size) return roots[size] === root ? [] : undefined;
    for (const bundleOf of logs()) {
      const found = await fetchLeaves(bundleOf, leaves.length, size);
      if (found && headOf(found.map(hashOfLeaf).reduce(appendLeaf, range)).root === root) return found;
    }
    return undefined;
  };

  return {
    get size() {
      return leaves.length;
    },
    rootAt: (size) => roots[size],
    tile({ level, index, width }: TileName) {
      if (level !== 'entries') return rows.tile({ level, index, width });
      const bundle = leaves.slice(index * tileWidth, index * tileWidth + width);
      return bundle.length === width ? encodeBundle(bundle) : undefined;
    },
    async extend(head, leaf) {
      const last = leaves[head.size];
      if (last !== undefined) return last.digest === leaf.digest && roots[head.size] === head.root;
      const more = await missing(head);
      if (more === undefined) return false;
      for (const one of [...more, leaf]) append(one);
      return true;
    },
  };
}

/** Leaves from one place up to another, bundle by bundle. */
async function fetchLeaves(
  bundleOf: ReturnType<Archive['logs']>[number],
  from: number,
  to: number,
): Promise<readonly Leaf[] | undefined> {
  const found: Leaf[] = [];
  while (from + found.length < to) {
    const at = from + found.length;
    const index = Math.floor(at / tileWidth);
    const bundle = await bundleOf({
      level: 'entries',
      index,
      width: Math.min(tileWidth, to - index * tileWidth),
    });
    if (bundle === undefined) return undefined;
    found.push(...bundle.slice(at - index * tileWidth));
  }
  return found;
}
