export {
  type DeliveryConfig,
  type LmtpConfig,
  type MaildirConfig,
  type NodeConfig,
  type NodeRole,
  parseNodeConfig,
} from './config.ts';
export type { NewNode } from './config-file.ts';
export { NodeError, type NodeErrorCode } from './errors.ts';
export { initNode, type NodeFiles } from './init.ts';
export { type NodeDeps, type RunningNode, startNode } from './node.ts';
export { openSpool } from './queue/open.ts';
export type { Spool } from './spool.ts';
export type { NodeStatus } from './status.ts';
export type { AuthorsConfig, ServerConfig, SubmissionConfig } from './submission-config.ts';
export type { Authors } from './submit/authors/authors.ts';
export { type AuthorsOptions, openAuthors } from './submit/authors/open.ts';
