export type {
  Consensus,
  ConsensusGeometry,
  Descriptor,
  EpochKey,
  NodeEntry,
  Parameters,
  Role,
  SmtpEndpoint,
} from './documents.ts';
export {
  keyEpochsAhead,
  keyEpochsHeld,
  maxConsensusLength,
  maxDescriptorLength,
  maxNodes,
  maxParametersLength,
  staleEpochs,
} from './documents.ts';
