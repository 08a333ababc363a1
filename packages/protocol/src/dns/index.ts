export { ProtocolError } from '../errors.ts';
export type { CertificateRefusedReason } from './certificate.ts';
export { type DecodedRecord, decodeRecord, type RecordRefusedReason } from './decode.ts';
export { type DomainRecord, makeRecord } from './record.ts';
export type { TagsRefusedReason } from './tags.ts';
export { formatZone, type ParsedZone, parseZone, type ZoneRefusedReason } from './zone.ts';
