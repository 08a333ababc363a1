import type { NoteSigner } from '@postern/protocol/codec';
import {
  decodeConsensus,
  isTimely,
  maxAuthorities,
  maxOutageLength,
  type NodeEntry,
  nodesOut,
  type Outage,
  type OutageReader,
  signOutage,
  verifyOutage,
} from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import type { Alarms } from '../alarms.ts';
import type { ask } from '../ask.ts';
import { maxOutagesBytes, notesIn } from '../notes.ts';
import type { Issued } from '../store.ts';
import { type Reach, roundMsOf, startWatch, type Watch } from './watch.ts';

export interface OutagesOptions {
  readonly config: {
    readonly name: string;
    readonly epochSeconds: number;
    readonly threshold: number;
    readonly peers: readonly { readonly name: string; readonly url: string }[];
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly reach: Reach;
  /** How other authorities are asked. */
  readonly exchange: typeof ask;
  trust(): OutageReader;
  /** For a document of a time, Unix seconds. */
  signerFor(seconds: number): NoteSigner | undefined;
  /** The consensus that readers have now. */
  current(): Issued | undefined;
}

/** What this authority and the others say of mixes that cannot be reached (spec outage). Disposing of it ends the asking. */
export interface Outages extends AsyncDisposable {
  /** Signed notices, its own first, as far as they may count still. */
  notices(): readonly string[];
  state(): OutageState;
}

/** As people see it. */
export interface OutageState {
  /** Names of the authorities of which a notice counts. */
  readonly by: readonly string[];
  /** Mixes that at least one of them has not reached; by name. */
  readonly missed: readonly Missed[];
}

export interface Missed {
  readonly id: string;
  readonly name: string;
  /** Names of authorities. */
  readonly by: readonly string[];
  /** Whether they are enough for clients to leave it out. */
  readonly out: boolean;
}

/** An authority that takes no part in it. */
export const noOutages: Outages = {
  notices: () => [],
  state: () => ({ by: [], missed: [] }),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

interface Held {
  readonly outage: Outage;
  readonly signed: string;
}

/** Seconds after which a notice that still says the same is signed anew. */
const renewSeconds = 60;

export function startOutages(options: OutagesOptions): Outages {
  const { config, clock } = options;
  const seconds = (): number => Math.floor(clock.now() / 1_000);
  const mixes = readMixes(options.current);
  const watch = startWatch({ ...options, mixes: () => mixes().mixes, epochSeconds: config.epochSeconds });
  const own = ownNotice(options, watch, () => mixes().epoch, seconds);
  const others = new Map<string, Held>();
  const stop = new AbortController();

  const take = (signed: string): void => {
    const read = verifyOutage(signed, options.trust());
    if (read.kind === 'refused') {
      // of an authority that is none here, or whose certificate is still to come
      if (read.reason !== 'too-few-signatures') options.log.warn('notice refused', { why: read.detail });
      return;
    }
    const { authority, at } = read.outage;
    if (authority === config.name || !isTimely(read.outage, seconds())) return;
    if (at > (others.get(authority)?.outage.at ?? -1)) others.set(authority, { outage: read.outage, signed });
  };
  const askPeer = async (url: string): Promise<void> => {
    const question = { timeoutMs: 10_000, signal: stop.signal, maxBytes: maxOutagesBytes };
    const answer = await options.exchange(`${url}/v1/outages`, question);
    if (answer.kind !== 'answer' || answer.status !== 200) return;
    const held = new Set([...others.values()].map(({ signed }) => signed));
    const notes = notesIn(answer.text, maxOutageLength)?.slice(0, maxAuthorities) ?? [];
    for (const signed of notes) if (!held.has(signed)) take(signed);
  };
  const failed = (error: unknown): void => {
    stop.signal.throwIfAborted();
    options.log.error('notices not taken', { why: error instanceof Error ? error.message : String(error) });
  };
  const collect = async (): Promise<void> => {
    const everyMs = Math.min(120_000, roundMsOf(config.epochSeconds));
    for (;;) {
      await clock.wait(clock.now() + everyMs, stop.signal);
      await Promise.all(config.peers.map(({ url }) => askPeer(url).catch(failed)));
    }
  };
  const collecting = (config.peers.length === 0 ? Promise.resolve() : collect()).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });

  const held = (): Held[] => {
    for (const [name, { outage }] of others) if (!isTimely(outage, seconds())) others.delete(name);
    return [own(), ...others.values()].filter((one) => one !== undefined);
  };
  return {
    notices: () => held().map(({ signed }) => signed),
    state() {
      const { epoch, mixes: all } = mixes();
      const said = held().flatMap(({ outage }) => (outage.epoch === epoch ? [outage] : []));
      const out = new Set(nodesOut(said, { epoch, now: seconds(), threshold: config.threshold }));
      const by = Map.groupBy(
        said.flatMap(({ authority, down }) => down.map((id) => ({ id, authority }))),
        ({ id }) => id,
      );
      const missed = all.flatMap(({ id, name }): Missed[] => {
        const names = (by.get(id) ?? []).map(({ authority }) => authority).sort();
        return names.length === 0 ? [] : [{ id, name, by: names, out: out.has(id) }];
      });
      return {
        by: said.map(({ authority }) => authority).sort(),
        missed: missed.sort((a, b) => (a.name < b.name ? -1 : 1)),
      };
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([collecting, watch[Symbol.asyncDispose]()]);
    },
  };
}

/** Signed when it is asked for: anew for another epoch or other mixes, and once a minute. */
function ownNotice(
  { config, signerFor }: Pick<OutagesOptions, 'config' | 'signerFor'>,
  watch: Pick<Watch, 'down'>,
  epochOf: () => number,
  seconds: () => number,
): () => Held | undefined {
  let last: Held | undefined;
  return () => {
    const [down, at, epoch] = [watch.down(), seconds(), epochOf()];
    const signer = signerFor(at);
    if (down === undefined || signer === undefined) return undefined;
    const isSame = last?.outage.epoch === epoch && last.outage.down.join() === down.join();
    if (isSame && last !== undefined && at >= last.outage.at && at < last.outage.at + renewSeconds)
      return last;
    const outage: Outage = { version: 1, epoch, authority: config.name, at, down };
    last = { outage, signed: signOutage(outage, signer) };
    return last;
  };
}

/** The mixes of a consensus, read once for each. */
function readMixes(
  current: () => Issued | undefined,
): () => { readonly epoch: number; readonly mixes: readonly NodeEntry[] } {
  let last: { readonly digest: string; readonly epoch: number; readonly mixes: readonly NodeEntry[] } = {
    digest: '',
    epoch: 0,
    mixes: [],
  };
  return () => {
    const issued = current();
    if (issued !== undefined && issued.digest !== last.digest) {
      const nodes = decodeConsensus(issued.signed)?.consensus.nodes ?? [];
      const { epoch, digest } = issued;
      last = { epoch, digest, mixes: nodes.filter(({ layer }) => layer > 0) };
    }
    return last;
  };
}
