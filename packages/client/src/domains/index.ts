export {
  type DomainCheck,
  type DomainLookup,
  type Domains,
  type FoundRecord,
  type Held,
  openDomains,
} from './domains.ts';
export { type Explained, explain } from './explain.ts';
export { type Prefetched, type PrefetchProgress, prefetch } from './prefetch.ts';
