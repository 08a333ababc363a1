/** What tests of other packages need of the insides. */
export { readAuthorities, tellAuthorities } from '../agree/authorities.ts';
export { readNewest } from '../agree/catch-up.ts';
export { readPassed } from '../agree/fetch-passed.ts';
export { readRecord } from '../agree/record.ts';
export { readShown } from '../client/counted.ts';
export { notesIn } from '../notes.ts';
