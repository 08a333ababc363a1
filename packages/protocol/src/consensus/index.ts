export { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
export {
  type AuthorityKey,
  assertTrust,
  formatAuthorityKey,
  parseAuthorityKey,
  type Trust,
} from './authorities.ts';
export {
  type Ballot,
  type BallotRefusal,
  commitTo,
  countersign,
  readReveal,
  readVote,
  signReveal,
  signVote,
} from './ballot.ts';
export { signCheckpoint, type VerifiedCheckpoint, verifyCheckpoint } from './checkpoint.ts';
export {
  addSignature,
  type ConsensusReader,
  type ConsensusRefusal,
  consensusDigest,
  contradiction,
  encodeConsensus,
  type Last,
  type ReadConsensus,
  readConsensus,
  signConsensus,
  type VerifiedConsensus,
  verifyConsensus,
} from './consensus.ts';
export {
  type DescriptorRefusal,
  signDescriptor,
  type VerifiedDescriptor,
  verifyDescriptor,
} from './descriptor.ts';
export type {
  Consensus,
  ConsensusGeometry,
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
  maxConsensusLength,
  maxDescriptorLength,
  maxNodes,
  maxParametersLength,
  maxTlsPins,
  staleEpochs,
} from './documents.ts';
export { writeGeometry } from './geometry.ts';
export {
  type ParametersRefusal,
  signParameters,
  type VerifiedParameters,
  verifyParameters,
} from './parameters.ts';
export { epochAt, isStanding, keyEpochsOpened, keyEpochsPublished } from './schedule.ts';
export { type Agenda, tabulate } from './tabulate.ts';
export { sharedValue, type Tally, tally } from './tally.ts';
