import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { renderPage } from '../page/page.ts';
import { hostileView } from './hostile.ts';

/*
 * The picture of the page in the docs is marked with the page that it is of, so that a page that has changed since is found out. A PNG is its signature of
 * eight bytes and chunks: length, type, data, checksum (PNG 5.3).
 */

/** What words, columns and style of the page come down to. */
export function pageDigest(): string {
  return createHash('sha256').update(renderPage(hostileView)).digest('hex');
}

const signatureBytes = 8;
/** Of a chunk without data, as the last one is. */
const chunkBytes = 12;
const keyword = 'Page\0';

/** A picture with a mark in it (PNG 11.3.3.3). */
export function marked(png: Buffer, mark: string): Buffer {
  const data = Buffer.from(`tEXt${keyword}${mark}`, 'latin1');
  const chunk = Buffer.alloc(chunkBytes - 4 + data.length);
  chunk.writeUInt32BE(data.length - 4);
  data.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(data), 4 + data.length);
  const end = png.length - chunkBytes;
  return Buffer.concat([png.subarray(0, end), chunk, png.subarray(end)]);
}

export function markOf(png: Buffer): string | undefined {
  for (let at = signatureBytes; at < png.length; at += chunkBytes + png.readUInt32BE(at)) {
    const chunk = png.toString('latin1', at + 4, at + 8 + png.readUInt32BE(at));
    if (chunk.startsWith(`tEXt${keyword}`)) return chunk.slice(4 + keyword.length);
  }
  return undefined;
}

/** In pixels (PNG 11.2.1). */
export function sizeOf(png: Buffer): { readonly width: number; readonly height: number } {
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20) };
}
