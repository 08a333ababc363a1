export { type Mirror, type MirrorOptions, startMirror } from './mirror.ts';
