import {
  readConsensus,
  readReveal,
  readVote,
  signVote,
  type Trust,
  type Vote,
} from '@postern/protocol/consensus';
import type { RunningAuthority } from '../authority.ts';
import { get } from './authorities.ts';
import { epochSeconds, start } from './clock.ts';
import { type Council, type Letter, openCouncil, servedFor, trustIn } from './council.ts';

/** The first epoch, and its length in milliseconds. */
export const epoch = 1_000;
export const hour: number = epochSeconds * 1_000;
export const mixes: readonly string[] = Array.from({ length: 4 }, (_, at) => `mix${at + 1}.test`);

/** What tests of several authorities do with them, and ask of them; one council at a time. */
export interface CouncilBench {
  readonly council: Council;
  open(count: number): Promise<void>;
  /** Opens it, with all authorities running and mixes that all of them know. */
  begin(count: number): Promise<void>;
  close(): Promise<void>;
  names(): string[];
  trust(): Omit<Trust, 'threshold'>;
  /** Of ballots of the first epochs. */
  reader(): Omit<Trust, 'threshold'> & { readonly at: number };
  running(): readonly RunningAuthority[];
  first(): RunningAuthority;
  /** Whether all that run have a consensus of this epoch. */
  haveAll(at: number): () => boolean;
  /** Kind and name of each that stands at an authority. */
  alarmsOf(at: number): readonly string[];
  whyOf(at: number, kind: string): string | undefined;
  /** The one consensus for an epoch, which all that run serve; throws unless there is one. */
  theOne(at: number): Promise<Agreed>;
  /** Whether it is what its sender says itself, and does not pass on. */
  isOwn(letter: Letter, part: 'vote' | 'reveal'): boolean;
  /** Another vote of the same authority in the place of one. */
  otherVote(body: string, at: number, change?: Partial<Vote>): string;
}

export interface Agreed {
  readonly digest: string;
  readonly consensus: Extract<ReturnType<typeof readConsensus>, { kind: 'signed' }>['consensus'];
  readonly signedBy: readonly string[];
}

export function createCouncilBench(): CouncilBench {
  let opened: Council | undefined;
  const bench: CouncilBench = {
    get council() {
      if (opened === undefined) throw new Error('no council is open');
      return opened;
    },
    async open(count) {
      opened = await openCouncil(count);
    },
    async begin(count) {
      await bench.open(count);
      await bench.council.start();
      await bench.council.register(...mixes);
    },
    async close() {
      const closing = opened;
      opened = undefined;
      await closing?.[Symbol.asyncDispose]();
    },
    names: () => bench.council.members.map(({ name }) => name),
    trust: () => trustIn(bench.council),
    reader: () => ({ ...bench.trust(), at: start / 1_000 }),
    running: () => bench.council.members.flatMap((member) => member.running ?? []),
    first: () => bench.running()[0] as RunningAuthority,
    haveAll: (at) => () => bench.running().every((one) => (one.status().consensus?.epoch ?? 0) >= at),
    alarmsOf: (at) =>
      (bench.council.member(at).running?.status().alarms ?? []).map(({ kind, about }) =>
        `${kind} ${about}`.trim(),
      ),
    whyOf: (at, kind) =>
      bench.council
        .member(at)
        .running?.status()
        .alarms.find((alarm) => alarm.kind === kind)?.why,
    async theOne(at) {
      const all = [...(await servedFor(bench.council, at))];
      const [one] = all;
      if (one === undefined || all.length > 1) throw new Error(`${all.length} consensuses for epoch ${at}`);
      const [digest, { by, signedBy }] = one;
      if (by.length < bench.running().length) throw new Error(`only ${by.join()} have that of epoch ${at}`);
      const read = readConsensus((await get(bench.first(), `/v1/consensus/${at}`)).text, bench.trust());
      if (read.kind === 'refused') throw new Error(read.detail);
      return { digest, consensus: read.consensus, signedBy };
    },
    isOwn({ path, body, from }, part) {
      if (path !== `/v1/agreement/${part}s` || body === undefined) return false;
      const ballot = (part === 'vote' ? readVote : readReveal)(body, bench.reader());
      return ballot.kind === 'ballot' && ballot.signedBy.length === 1 && ballot.value.authority === from;
    },
    otherVote(body, at, change = { meanDelayMs: 999 }) {
      const ballot = readVote(body, bench.reader());
      if (ballot.kind === 'refused') throw new Error(ballot.detail);
      return signVote({ ...ballot.value, ...change }, bench.council.member(at).signer);
    },
  };
  return bench;
}
