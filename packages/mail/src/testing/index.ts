export { smugglingSequences } from './smuggling.ts';
export { Wire } from './wire.ts';
