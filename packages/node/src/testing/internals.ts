/* What the fuzzing of this package's decoders takes from its insides. */
export { findField, openField } from '../report/field.ts';
export { formatHash, parseHash } from '../submit/authors/hash.ts';
export { parseAuthors } from '../submit/authors/list.ts';
export { read } from '../submit/read.ts';
