export { byteFact, type Fact, type FactKind, textFact } from './adversary/facts.ts';
export { type Recorder, type Sending, seenIn } from './adversary/recorder.ts';
export { type AtRest, readAtRest } from './adversary/rest.ts';
export { createSearcher, type Hit, type Searcher, type SearcherOptions } from './adversary/search.ts';
export { type Transfer, transfersOf, watchTransfers } from './adversary/smtp-wire.ts';
export { type Chunk, startTap, type Tap, type TapOptions, type TappedConnection } from './adversary/tap.ts';
export { SeededRandom } from './chance/seeded-random.ts';
export { FakeClock, type FakeClockOptions } from './clock/fake-clock.ts';
export { TestkitError, type TestkitErrorCode } from './errors.ts';
export type { NodeHost } from './network/node-host.ts';
export { startTestNetwork, type TestNetwork, type TestNetworkOptions } from './network/test-network.ts';
export { clientOf, type Person, readMaildir } from './people/person.ts';
export type { Supervised } from './supervise/process.ts';
export type { Member } from './testnet/member.ts';
export type {
  NetworkDomain,
  NetworkFile,
  NetworkMailbox,
  NetworkProcess,
  ProcessRole,
} from './testnet/network-file.ts';
export type { TestnetOptions } from './testnet/options.ts';
export { startTestnet, type Testnet, type TestnetEvents } from './testnet/testnet.ts';
export { type UntilOptions, until } from './until.ts';
