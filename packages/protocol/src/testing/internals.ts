/* What the fuzzing of this package's decoders takes from its insides, decoders and what makes inputs for them. */
export { decodeArmor, encodeArmor } from '../codec/armor.ts';
export { toCrlf } from '../codec/mime-lines.ts';
export { splitParts } from '../codec/mime-parts.ts';
export { parseMediaType } from '../codec/mime-type.ts';
export { framePackets, packetTypes, writePacket } from '../codec/openpgp.ts';
export {
  certificateShape,
  consensusShape,
  descriptorShape,
  nodeCertificateShape,
  outageShape,
  parametersShape,
  revealShape,
  voteShape,
} from '../consensus/schema.ts';
export { decodeText, encodeText } from '../consensus/text.ts';
export { inspectCertificate } from '../dns/certificate.ts';
export { formatTags, parseTags } from '../dns/tags.ts';
export { literalFields } from '../envelope/seal.ts';
export { decodeLeaf, encodeLeaf } from '../log/leaf.ts';
export { decodeRouting, encodeRouting } from '../packet/routing.ts';
export { encodeReplyUnit } from '../packet/unit.ts';
export { readContent } from '../sealed/content.ts';
export { decryptMessage } from '../sealed/decrypt.ts';
export { formatOuter, parseOuter } from '../sealed/outer.ts';
export { unprotect } from '../sealed/protect.ts';
export { judge } from '../sealed/verdict.ts';
export { type TestAuthority, type TestAuthorityOptions, testAuthority } from './authority.ts';
export {
  agenda,
  authority1,
  authority2,
  gateway,
  keysOf,
  mix,
  now as networkNow,
  registered,
} from './network.ts';
export { gatewayOf, mixKey, type TestNode, testDescriptor, testNode } from './node.ts';
export { testPath } from './path.ts';
export { encryptContent, literalPacket, mimeAround, now, person, sealOptions } from './people.ts';
export { seeded } from './seeded.ts';
