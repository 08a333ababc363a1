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
  countersign,
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
  type VerifiedCertificate,
  verifyCertificate,
} from './certificate.ts';
export { signCheckpoint, type VerifiedCheckpoint, verifyCheckpoint } from './checkpoint.ts';
export {
  addSignature,
  type ConsensusReader,
  type ConsensusRefusal,
  consensusDigest,
  contradiction,
  decodeConsensus,
  encodeConsensus,
  type IssuedConsensus,
  type Last,
  readConsensus,
  readIssued,
  type SignedConsensus,
  signConsensus,
  type VerifiedConsensus,
  verifyConsensus,
} from './consensus.ts';
export {
  type DescriptorRefusal,
  descriptorDigest,
  signDescriptor,
  type VerifiedDescriptor,
  verifyDescriptor,
} from './descriptor.ts';
export type {
  Certificate,
  Consensus,
  ConsensusGeometry,
  Counted,
  Descriptor,
  EpochKey,
  Listed,
  NodeEntry,
  Parameters,
  Reveal,
  Role,
  SmtpEndpoint,
  Vote,
} from './documents.ts';
export {
  keyEpochsAhead,
  keyEpochsHeld,
  maxAuthorities,
  maxCertificateLength,
  maxCertificateSeconds,
  maxConsensusLength,
  maxDescriptorLength,
  maxNodes,
  maxParametersLength,
  maxRevealLength,
  maxTlsPins,
  maxVoteLength,
  staleEpochs,
} from './documents.ts';
export { type Equivocation, type VerifiedEquivocation, verifyEquivocation } from './equivocation.ts';
export { readGeometry, writeGeometry } from './geometry.ts';
export {
  type ParametersReader,
  type ParametersRefusal,
  signParameters,
  type VerifiedParameters,
  verifyParameters,
} from './parameters.ts';
export { epochAt, isStanding, keyEpochsOpened, keyEpochsPublished } from './schedule.ts';
export { type Agenda, tabulate } from './tabulate.ts';
export { sharedValue, type Tally, tally } from './tally.ts';
export {
  assertTrust,
  checkThreshold,
  joinSignatures,
  type Shortage,
  type Signed,
  type Trust,
  type Untrusted,
} from './trust.ts';
