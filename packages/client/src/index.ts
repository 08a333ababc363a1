export type { PasswordRequest, PasswordSource } from './account/password.ts';
export type { SubmissionConfig } from './account/settings.ts';
export { type Client, type ClientOptions, createClient, type Opened, type Report } from './client.ts';
export { type ClientConfig, formatClientConfig, parseClientConfig, readClientConfig } from './config.ts';
export type { DnsConfig } from './dns-config.ts';
export type {
  DomainCheck,
  DomainLookup,
  Domains,
  Held,
  Prefetched,
  PrefetchProgress,
} from './domains/index.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type {
  Candidate,
  Finding,
  FindOptions,
  ImportOptions,
  KeyInfo,
  KeyKind,
  Keys,
  KeysConfig,
  LookupPolicy,
  LookupSource,
  PassphraseRequest,
  PassphraseSource,
  Protection,
} from './keys/index.ts';
export type {
  PathTaken,
  Problem,
  ProblemCode,
  RecipientDomain,
  RecipientKey,
  SendMode,
  TlsWish,
} from './message.ts';
export type { CarriageFile, Outbox, OutboxSet } from './outbox/index.ts';
export { type ClientPaths, pathsUnder, xdgPaths } from './paths.ts';
export type { RecipientResult } from './pipeline.ts';
export type {
  PrefetchRequest,
  PreviewOutcome,
  Progress,
  SendOutcome,
  SendRequest,
  SubmitRequest,
  WrapOutcome,
  WrapRequest,
} from './requests.ts';
export type { HoldReason, Stay, Submission, WaitReason } from './submit/submit.ts';
