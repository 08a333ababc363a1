export { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
export {
  type AuthorityKey,
  authorityKey,
  formatAuthorityKey,
  isSameAuthority,
  parseAuthorityKey,
} from './authorities.ts';
export {
  type Ballot,
  type BallotReader,
  type BallotRefusal,
  ballotDigest,
  commitTo,
  readReveal,
  readVote,
  signReveal,
  signVote,
} from './ballot.ts';
export {
  type CertificateReader,
  type CertificateRefusal,
  covers,
  type SigningKey,
  signCertificate,
  signingKeysIn,
  type VerifiedCertificate,
  verifyCertificate,
} from './certificate.ts';
export {
  type CertifiedNote,
  type CertifiedReader,
  type CertifiedSigner,
  certifiedLength,
  claimsIn,
  countersign,
  formatCertified,
  joinCertified,
  joinNote,
  noteIn,
  noteOf,
} from './certified.ts';
export { signCheckpoint, type VerifiedCheckpoint, verifyCheckpoint } from './checkpoint.ts';
export {
  type CertifiedConsensus,
  type ConsensusReader,
  type ConsensusRefusal,
  consensusDigest,
  contradiction,
  decodeConsensus,
  encodeConsensus,
  type IssuedConsensus,
  isValidAt,
  type Last,
  readCertifiedConsensus,
  readConsensus,
  readIssued,
  type SignedConsensus,
  signCertifiedConsensus,
  signConsensus,
  type VerifiedConsensus,
  verifyConsensus,
} from './consensus.ts';
export {
  type DescriptorRefusal,
  descriptorDigest,
  signDescriptor,
  tryMixKeys,
  type VerifiedDescriptor,
  verifyDescriptor,
  verifyDescriptorSignature,
} from './descriptor.ts';
export { applyDiff, makeDiff } from './diff.ts';
export type {
  Certificate,
  Consensus,
  ConsensusGeometry,
  Counted,
  Descriptor,
  Downtime,
  EpochKey,
  Listed,
  NodeCertificate,
  NodeEntry,
  Outage,
  Parameters,
  Rest,
  Reveal,
  Role,
  SmtpEndpoint,
  Vote,
  Width,
} from './documents.ts';
export {
  keyEpochsAhead,
  keyEpochsHeld,
  maxAuthorities,
  maxCapacity,
  maxCertificateLength,
  maxCertificateSeconds,
  maxCertificatesLength,
  maxCertificatesOfOne,
  maxConsensusLength,
  maxDescriptorLength,
  maxDowntimes,
  maxNodeCertificateLength,
  maxNodes,
  maxOutageLength,
  maxParametersLength,
  maxRegistered,
  maxRevealLength,
  maxTlsPins,
  maxVoteLength,
  staleEpochs,
} from './documents.ts';
export { type Equivocation, type VerifiedEquivocation, verifyEquivocation } from './equivocation.ts';
export { readGeometry, writeGeometry } from './geometry.ts';
export { weightsOf } from './lots.ts';
export {
  certifiedFrom,
  signNodeCertificate,
  type VerifiedNodeCertificate,
  verifyNodeCertificate,
} from './node-certificate.ts';
export {
  isTimely,
  nodesOut,
  type OutageReader,
  type OutageRefusal,
  signOutage,
  type VerifiedOutage,
  verifyOutage,
} from './outage.ts';
export {
  type ParametersReader,
  type ParametersRefusal,
  signParameters,
  type VerifiedParameters,
  verifyParameters,
} from './parameters.ts';
export { isRegistered, proveRegistered, type RegisteredProof } from './rest.ts';
export { epochAt, isStanding, keyEpochsOpened, keyEpochsPublished } from './schedule.ts';
export { isContact } from './schema.ts';
export { type Agenda, listRest, type Registered, tabulate } from './tabulate.ts';
export { type Scalar, sharedValue, type Tally, tally } from './tally.ts';
export { formatTold, parseTold, type Told } from './told.ts';
export {
  assertTrust,
  checkThreshold,
  joinSignatures,
  type Shortage,
  type Signed,
  type Trust,
  type Untrusted,
} from './trust.ts';
export { binnedLoad, type Earlier } from './width.ts';
