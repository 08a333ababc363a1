export { fingerprintOf, flawOf, storedMailbox } from './certificate.ts';
export type { KeyInfo, KeyKind } from './info.ts';
export { type ImportOptions, type Keys, openKeys, type Protection } from './store.ts';
export type { PassphraseRequest, PassphraseSource } from './unlock.ts';
