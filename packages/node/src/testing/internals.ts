/* What tests beyond this package take from its insides: its decoders to be fuzzed, what it counts, how keys follow from one another, the steps of a spool in Redis to be told apart, and a Redis. */
export type { CounterStage, Outcome } from '../counters.ts';
export { newChain, seedOf, successor } from '../keys/chain.ts';
export { clockSkewMs } from '../queue/redis/desk.ts';
export { type ScriptName, scriptsWithin } from '../queue/redis/scripts.ts';
export { findField, openField } from '../report/field.ts';
export { formatHash, parseHash } from '../submit/authors/hash.ts';
export { parseAuthors } from '../submit/authors/list.ts';
export { read } from '../submit/read.ts';
export { haveRedis, type RedisServer, startRedis } from './redis.ts';
