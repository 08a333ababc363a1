export { byteFact, type Fact, type FactKind, textFact } from './adversary/facts.ts';
export { createRecorder, type Recorder, type Sending, seenIn } from './adversary/recorder.ts';
export { type AtRest, readAtRest } from './adversary/rest.ts';
export { createSearcher, type Hit, type Searcher, type SearcherOptions } from './adversary/search.ts';
export { ehloName, type Transfer, transfersOf, watchRecords, watchTransfers } from './adversary/smtp-wire.ts';
export { type Chunk, startTap, type Tap, type TapOptions, type TappedConnection } from './adversary/tap.ts';
export { unpack } from './adversary/unpack.ts';
export { SeededRandom } from './chance/seeded-random.ts';
export { FakeClock, type FakeClockOptions } from './clock/fake-clock.ts';
export { type DemoOptions, type Event, type Outcome, runDemo } from './demo/run.ts';
export { TestkitError, type TestkitErrorCode } from './errors.ts';
export { type Cast, type Correspondent, castOf, type Source } from './knowledge/cast.ts';
export { keyIdsIn } from './knowledge/certificates.ts';
export { type ChainPlay, chainCast, type ResolverNames, type ServerNames } from './knowledge/chain-cast.ts';
export { chainTable, chainWays, type Way, wayName } from './knowledge/chain-table.ts';
export {
  createEvidence,
  type Evidence,
  type How,
  hows,
  type Part,
  type Piece,
} from './knowledge/evidence.ts';
export {
  foldersOf,
  gatherFromNetwork,
  gatherFromTestnet,
  networkFolders,
  takeAll,
} from './knowledge/gather.ts';
export {
  type Case,
  type Cell,
  createJudge,
  type Judgement,
  type Knowledge,
  type Row,
} from './knowledge/judge.ts';
export { createLookout, type Watched } from './knowledge/lookout.ts';
export { publishedBy } from './knowledge/published.ts';
export { secretsOf, type Telltales } from './knowledge/secrets.ts';
export { createSnapshots, type Snapshots } from './knowledge/snapshots.ts';
export {
  kinds,
  type May,
  mayKnow,
  type Party,
  parties,
  type Rows,
  type Sure,
  surelyFound,
  type Table,
  tableOf,
} from './knowledge/table.ts';
export { type Letter, type LetterOptions, writeLetter } from './message/letter.ts';
export type { NodeHost } from './network/node-host.ts';
export { startTestNetwork, type TestNetwork, type TestNetworkOptions } from './network/test-network.ts';
export { clientOf, type Person, readMaildir } from './people/person.ts';
export { freePorts } from './supervise/ports.ts';
export { lastLines, type Supervised, startProcess } from './supervise/process.ts';
export { nodeArguments, type Program } from './supervise/programs.ts';
export type { Member } from './testnet/member.ts';
export type {
  NetworkDomain,
  NetworkFile,
  NetworkMailbox,
  NetworkProcess,
  ProcessRole,
} from './testnet/network-file.ts';
export type { TestnetOptions } from './testnet/options.ts';
export { gatewayName } from './testnet/options.ts';
export { startTestnet, type Testnet, type TestnetEvents } from './testnet/testnet.ts';
export { type UntilOptions, until } from './until.ts';
