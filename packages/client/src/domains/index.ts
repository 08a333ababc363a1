export { type DomainLookup, type Domains, openDomains } from './store.ts';
