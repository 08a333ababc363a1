/* What tests and the fuzzing of decoders take from the insides of this package, and the tools that they share. */
export { readAccountBody, readAccountHeader } from '../carriage/account.ts';
export { readMultipart } from '../dsn/multipart.ts';
export { readStatus } from '../dsn/status.ts';
export { mediaType } from '../dsn/type.ts';
export { policyId, readPolicy } from '../exchange/policytext.ts';
export { readHeader } from '../header.ts';
export { stuff } from '../sender/stuffing.ts';
export { isWellFormed } from '../sender/wellformed.ts';
export { beginExchange, type Step } from '../server/auth/sasl.ts';
export { lineFault, readAddressCommand, readHandedOn, verb } from '../server/command.ts';
export { DataReader } from '../server/data.ts';
export { smugglingSequences } from './smuggling.ts';
export { Wire } from './wire.ts';
