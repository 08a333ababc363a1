/* What the fuzzing of this package's decoders takes from its insides. */
export { flawOf, mailboxesOf, readKeyFile } from '../keys/certificate.ts';
export { openReport } from '../open/report.ts';
export { decodePacketFile, encodePacketFile } from '../outbox/packetfile.ts';
export { decodeReturn, encodeReturn } from '../returns/record.ts';
