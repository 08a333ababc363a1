import { concat } from '../codec/bytes.ts';
import { decryptLioness, encryptLioness, type LionessBlock } from '../primitives/index.ts';
import { type Geometry, zeroBytes } from './geometry.ts';
import { isZero } from './routing.ts';
import { suiteOf } from './suite.ts';

// spec packet 6
export function encryptBody(g: Geometry, key: Uint8Array, body: Uint8Array): Uint8Array {
  return join(encryptLioness(suiteOf(g).cipher, key, body));
}

// spec packet 6
/** The two parts of the result, for whoever copies them elsewhere anyway. */
export function decryptBody(g: Geometry, key: Uint8Array, body: Uint8Array): LionessBlock {
  return decryptLioness(suiteOf(g).cipher, key, body);
}

/** What a sender puts inside all layers. */
export function plainBody(payload: Uint8Array): Uint8Array {
  return concat(new Uint8Array(zeroBytes), payload);
}

/** The payload of a body from which every layer is taken off; undefined when it was changed on the way. */
export function payloadOf({ left, right }: LionessBlock): Uint8Array | undefined {
  return isZero(left.subarray(0, zeroBytes)) ? concat(left.subarray(zeroBytes), right) : undefined;
}

export function join({ left, right }: LionessBlock): Uint8Array {
  return concat(left, right);
}
