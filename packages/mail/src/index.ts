export { formatMailbox, type Mailbox, parseMailbox } from './address.ts';
export { type CarriageParts, makeCarriage } from './carriage/make.ts';
export { type CarriageRefusal, maxTraceOctets, type OpenedCarriage, openCarriage } from './carriage/open.ts';
export { carriageLength } from './carriage/shape.ts';
export { MailError, type MailErrorCode } from './errors.ts';
