import { type HpkeContext, lionessKeyBytes } from '../primitives/index.ts';

// spec packet 5.4
/** 32 bytes that stand for a layer's shared secret: the same however the packet around it was put together. */
export function replayTag(context: HpkeContext): Uint8Array {
  return context.export(replayTagLabel, 32);
}

// spec packet 5.4
/** The LIONESS key of this hop's body layer. */
export function bodyKey(context: HpkeContext): Uint8Array {
  return context.export(bodyKeyLabel, lionessKeyBytes);
}

const replayTagLabel = new TextEncoder().encode('replay tag');
const bodyKeyLabel = new TextEncoder().encode('body key');
