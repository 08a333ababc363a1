import { makeDiff, staleEpochs } from '@postern/protocol/consensus';
import type { Issued } from '../store.ts';

/** Diffs that stay in memory: of as many documents as may be fetched at a time, from those that readers may have. */
const mostKept = 2 * (staleEpochs + 2);

/**
 * The diff to a consensus from the one with this digest, made once; undefined unless that is of the same epoch or one of those before it that
 * are valid still.
 */
export function createDiffs(documents: {
  issued(epoch: number): Issued | undefined;
}): (from: string, to: Issued) => string | undefined {
  const made = new Map<string, { readonly to: string; readonly diff: string | undefined }>();
  return (from, to) => {
    const key = `${from} ${to.digest}`;
    const known = made.get(key);
    // signatures may come late
    if (known?.to === to.signed) return known.diff;
    const base = basesOf(documents, to).find(({ digest }) => digest === from);
    if (base === undefined) return undefined;
    const diff = makeDiff(base.signed, to.signed);
    made.delete(key);
    made.set(key, { to: to.signed, diff });
    for (const oldest of made.keys()) if (made.size > mostKept) made.delete(oldest);
    return diff;
  };
}

function basesOf(documents: { issued(epoch: number): Issued | undefined }, to: Issued): Issued[] {
  const epochs = Array.from({ length: staleEpochs + 2 }, (_, back) => to.epoch - back);
  return epochs.flatMap((epoch) => (epoch === to.epoch ? to : documents.issued(epoch)) ?? []);
}
