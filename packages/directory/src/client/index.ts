export { createDirectoryClient, type DirectoryClient, type DirectoryClientOptions } from './client.ts';
export type { NetworkParameters, VerifiedConsensus } from './collect.ts';
export { DirectoryError, type DirectoryErrorCode, type Failure } from './errors.ts';
export { type DirectoryConfig, directorySection } from './fields.ts';
export type { Heard } from './hear.ts';
export type { Submission } from './submit.ts';
export { majority } from './trust.ts';
export { baseOf } from './url.ts';
