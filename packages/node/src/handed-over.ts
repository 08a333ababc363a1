import type { TransferListItem } from 'node:worker_threads';

/** What a message to another thread hands over instead of copying: buffers that hold these bytes and nothing else. */
export function handedOver(owned: readonly Uint8Array[]): TransferListItem[] {
  return [...new Set(owned.filter(isWhole).map(({ buffer }) => buffer as ArrayBuffer))];
}

/**
 * Gives back at once the memory of bytes that nobody reads any more. A buffer that came from another thread is otherwise kept until there
 * are tens of megabytes of them. What is only a part of a buffer is left alone.
 */
export function freeMemory(bytes: Uint8Array): void {
  if (isWhole(bytes) && bytes.byteLength > 0) (bytes.buffer as ArrayBuffer).transfer(0);
}

function isWhole({ byteLength, buffer }: Uint8Array): boolean {
  return byteLength === buffer.byteLength;
}
