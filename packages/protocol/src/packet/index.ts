export { buildPacket } from './build.ts';
export { isDomain } from './domain.ts';
export { defaultGeometry, type Geometry, geometry, geometryDigest } from './geometry.ts';
export type { Hop } from './header.ts';
export { generateMixKey, loadMixKey, type MixKey } from './mixkey.ts';
export { type Peeled, packetEpoch, peel, type RefusedReason } from './peel.ts';
export { suiteNumbers } from './suite.ts';
export {
  createSurb,
  openReply,
  type Reply,
  type ReplyRefusedReason,
  type Surb,
  surbBytes,
  useSurb,
} from './surb.ts';
export { decodeUnit, encodeEnvelopeUnit, type Unit, type UnitRefusedReason } from './unit.ts';
