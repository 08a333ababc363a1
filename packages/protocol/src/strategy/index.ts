export { exponential, longestMeanMs, none, type Strategy } from './delays.ts';
export { type Held, holdUntilDue, type MixEvent, type MixStep, type MixStrategy } from './hold.ts';
