import type { TransferListItem } from 'node:worker_threads';

/** What a message to another thread hands over instead of copying: buffers that hold these bytes and nothing else. */
export function handedOver(owned: readonly Uint8Array[]): TransferListItem[] {
  const whole = owned.filter(({ byteLength, buffer }) => byteLength === buffer.byteLength);
  return [...new Set(whole.map(({ buffer }) => buffer as ArrayBuffer))];
}
