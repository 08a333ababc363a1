/* What the fuzzing of this package's decoders takes from its insides, and what tests of commands run them with. */
export { parseToml } from '../config.ts';
export { readData } from '../dns/data.ts';
export { isDenied, readBitmap } from '../dns/dnssec/bitmap.ts';
export { deny, nearer } from '../dns/dnssec/denial.ts';
export { readDelegation, readZoneKey } from '../dns/dnssec/keys.ts';
export { readSpan } from '../dns/dnssec/nsec.ts';
export { readHashedSpan } from '../dns/dnssec/nsec3.ts';
export { judge } from '../dns/dnssec/signature.ts';
export { decodeMessage, encodeQuery } from '../dns/message.ts';
export { compareNames, nameToWire, parseName, readName } from '../dns/name.ts';
export { readAnswer } from '../dns/read.ts';
export { types } from '../dns/types.ts';
export { answerCommands } from './command-host.ts';
export { type CommandHost, type Ended, hostCommands } from './commands.ts';
export { storesFolder } from './folders.ts';
