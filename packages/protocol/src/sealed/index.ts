export {
  fieldsNamed,
  type HeaderField,
  type HeaderRefusedReason,
  type ParsedHeader,
  parseHeader,
} from '../codec/mime-header.ts';
export { toCrlf } from '../codec/mime-lines.ts';
export { ProtocolError } from '../errors.ts';
export { type AddressList, type AddressRefusedReason, parseAddressList } from './addresses.ts';
export type { DecryptRefusedReason, FindKeys } from './decrypt.ts';
export { maxMessageBytes, maxSealedBytes } from './limits.ts';
export { isMailbox } from './mailbox.ts';
export { type Opened, type OpenOptions, type OpenRefusedReason, open } from './open.ts';
export type { OuterRefusedReason } from './outer.ts';
export { type Recipients, type RecipientsRefusedReason, readAuthors, readRecipients } from './recipients.ts';
export { requireSealable, type SealOptions, seal } from './seal.ts';
export type { BadSignature, Verdict } from './verdict.ts';
