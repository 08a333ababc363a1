export {
  type AuthorityDeps,
  type AuthorityStatus,
  type RunningAuthority,
  startAuthority,
} from './authority.ts';
export { type AuthorityConfig, parseAuthorityConfig } from './config.ts';
export { AuthorityError, type AuthorityErrorCode } from './errors.ts';
export { initAuthority, type NewAuthority } from './init.ts';
