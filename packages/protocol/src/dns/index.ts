export { ProtocolError } from '../errors.ts';
export type { CertificateRefusedReason } from './certificate.ts';
export { type DecodedRecord, decodeRecord, type RecordRefusedReason } from './decode.ts';
export {
  type Asked,
  type AskFailure,
  type Change,
  type Evidence,
  type Finding,
  findingOf,
  type InvalidReason,
  type KnownRecord,
  type TemporaryReason,
  type UnsignedPolicy,
  type Voucher,
} from './finding.ts';
export { type DomainRecord, makeRecord, openpgpkeyLabel } from './record.ts';
export type { TagsRefusedReason } from './tags.ts';
export {
  certificateOwner,
  formatZone,
  type ParsedZone,
  parseZone,
  textOwner,
  type ZoneRefusedReason,
} from './zone.ts';
