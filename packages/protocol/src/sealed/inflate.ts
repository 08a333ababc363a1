import { Z_BLOCK, Z_OK, Z_STREAM_END, ZStream, zlibInflate, zlibInflateInit2 } from 'pako';

/** Compressed with a header and a sum (RFC 1950), or without (RFC 1951). */
export type CompressedFormat = 'zlib' | 'deflate';

export type Inflated = Uint8Array | 'malformed-compression' | 'too-large';

// spec sealed 6.2
/**
 * Decompresses, and gives up as soon as more than `mostBytes` come out, or more blocks come in than what comes out needs: each costs time, and
 * may be empty. What stands behind the compressed data says nothing: Sequoia pads with it.
 */
export function inflate(compressed: Uint8Array, format: CompressedFormat, mostBytes: number): Inflated {
  const stream = new ZStream();
  zlibInflateInit2(stream, windowBits[format]);
  stream.input = compressed;
  stream.avail_in = compressed.length;
  const chunks: Uint8Array[] = [];
  let blocks = format === 'zlib' ? -1 : 0; // its header ends as a block does
  for (;;) {
    if (stream.avail_out === 0) {
      stream.output = new Uint8Array(chunkBytes);
      stream.next_out = 0;
      stream.avail_out = chunkBytes;
      chunks.push(stream.output);
    }
    // Goes as far as a chunk or a block does.
    const status = zlibInflate(stream, Z_BLOCK);
    if (stream.total_out > mostBytes) return 'too-large';
    if (status === Z_STREAM_END) return gather(chunks, stream.total_out);
    if ((stream.data_type & blockEnd) !== 0) blocks += 1;
    if (status !== Z_OK || blocks > mostBlocks(stream.total_out)) return 'malformed-compression';
  }
}

const windowBits: Readonly<Record<CompressedFormat, number>> = { zlib: 15, deflate: -15 };

const chunkBytes = 65_536;

/** In `data_type`, as zlib.h says. */
const blockEnd = 128;

/** Programs make blocks of tens of kilobytes, or of what they are given at once. */
function mostBlocks(bytes: number): number {
  return 1_000 + bytes / 256;
}

function gather(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  chunks.forEach((chunk, index) => {
    const at = index * chunkBytes;
    whole.set(chunk.subarray(0, size - at), at);
  });
  return whole;
}
