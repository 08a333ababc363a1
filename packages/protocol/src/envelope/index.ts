export { ProtocolError } from '../errors.ts';
export { type EnvelopeCertificate, loadCertificate } from './certificate.ts';
export { type DomainKey, generateDomainKey } from './domainkey.ts';
export {
  type DecodedFragment,
  decodeFragment,
  encodeFragment,
  type Fragment,
  type FragmentRefusedReason,
} from './fragment.ts';
export {
  type EnvelopeKey,
  type EnvelopeRefusedReason,
  loadEnvelopeKey,
  type OpenedEnvelope,
  openEnvelope,
} from './open.ts';
export { fragmentCapacity, sealEnvelope } from './seal.ts';
export { type Joined, type JoinRefusedReason, join, type SplitOptions, split } from './split.ts';
