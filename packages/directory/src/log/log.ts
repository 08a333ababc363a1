import type { NoteSigner } from '@postern/protocol/codec';
import { signCheckpoint } from '@postern/protocol/consensus';
import {
  appendLeaf,
  type CompactRange,
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
import type { AuthorityStore } from '../store.ts';

/** The log of all consensuses that a store has (spec log). */
export interface ConsensusLog {
  head(): LogHead;
  /** What remains of its leaves for those that follow. */
  range(): CompactRange;
  /** The bytes of a tile, or of a bundle of leaves; undefined when the log does not reach so far. */
  tile(name: TileName): Uint8Array | undefined;
}

/** All leaves are read from the store now, and those that come later when somebody asks. They stay in memory with their hashes: some hundred bytes each. */
export function openLog(store: Pick<AuthorityStore, 'leaves'>): ConsensusLog {
  const rows = createRows();
  const leaves: Leaf[] = [];
  let range: CompactRange = emptyRange;
  const catchUp = (): void => {
    for (const leaf of store.leaves((leaves.at(-1)?.epoch ?? -1) + 1)) {
      const hash = hashOfLeaf(leaf);
      leaves.push(leaf);
      rows.append(hash);
      range = appendLeaf(range, hash);
    }
  };
  catchUp();
  return {
    head() {
      catchUp();
      return headOf(range);
    },
    range() {
      catchUp();
      return range;
    },
    tile({ level, index, width }) {
      catchUp();
      if (level !== 'entries') return rows.tile({ level, index, width });
      const bundle = leaves.slice(index * tileWidth, index * tileWidth + width);
      return bundle.length === width ? encodeBundle(bundle) : undefined;
    },
  };
}

/** The checkpoint of a log as it is when it is asked for, signed; undefined while there is no key to sign it with. */
export function createCheckpoint(
  log: Pick<ConsensusLog, 'head'>,
  signerNow: () => NoteSigner | undefined,
): () => string | undefined {
  let last: { readonly size: number; readonly keyId: number; readonly signed: string } | undefined;
  return () => {
    const [head, signer] = [log.head(), signerNow()];
    if (signer === undefined) return undefined;
    const { keyId } = signer;
    // signed once: a signature is not the same twice, and the entity tag is to be
    if (last?.size !== head.size || last.keyId !== keyId)
      last = { size: head.size, keyId, signed: signCheckpoint(head, signer) };
    return last.signed;
  };
}
