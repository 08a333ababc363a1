import type * as Pako from 'pako';

/** What zlib was made to do. */
export const zlibWork = { bytes: 0, calls: 0 };

/** The library, counted; for `vi.mock('pako', …)`. */
export function countedPako(pako: typeof Pako): typeof Pako {
  const zlibInflate: typeof pako.zlibInflate = (stream, flush) => {
    const before = stream.total_out;
    const status = pako.zlibInflate(stream, flush);
    zlibWork.bytes += stream.total_out - before;
    zlibWork.calls += 1;
    return status;
  };
  return { ...pako, zlibInflate };
}
