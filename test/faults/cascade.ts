import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createDirectoryClient } from '@postern/directory/client';
import { createSmtpSender } from '@postern/mail';
import { type RedisServer, startRedis } from '@postern/node/testing';
import type { Consensus } from '@postern/protocol/consensus';
import { parseZone } from '@postern/protocol/dns';
import { formatEndpoint, systemClock } from '@postern/runtime';
import {
  gatewayName,
  type Member,
  type Person,
  startTap,
  startTestnet,
  type Testnet,
  type TestnetOptions,
} from '@postern/testkit';
import { countFiles } from './arrivals.ts';
import { numberOf, packNote, type Ready } from './notes.ts';
import type { Node } from './points.ts';
import type { Traps } from './traps.ts';

const domain = 'b.test';

export type Store = 'SQLite' | 'Redis';

/** A mix for each layer and the gateway of b.test, so that there is one way: all processes that are started again when they die; and an author. */
export interface Cascade extends AsyncDisposable {
  readonly net: Testnet;
  readonly nodes: Readonly<Record<Node, Member>>;
  /** It takes for new what counts as a packet that has crossed the mixes. */
  readonly lastMix: Member;
  /** Only where spools lie in it. */
  readonly redis: RedisServer;
  /** Whoever gets the notes. */
  readonly recipient: Person;
  /** The consensus by which packets are made at this moment. */
  consensus(): Promise<Consensus>;
  /** Makes the packet of a note by the consensus of this moment; with a delay at each hop, milliseconds, if any are given. */
  pack(number: number, delays?: readonly number[]): Promise<Ready>;
  /**
   * Hands it to its first mix, the same bytes again and again until they are taken: by connections that stay open or, `anew`, by one that is
   * opened for it.
   */
  handOver(ready: Ready, how: { readonly signal: AbortSignal; readonly anew?: boolean }): Promise<void>;
  /** How many hand-overs were put off by the first mix itself, with a reply of 4yz. */
  readonly putOff: number;
  /** How many it has taken. */
  readonly taken: number;
  /** How many files lie in the recipient's Maildir, or did a moment ago: there may be thousands. */
  arrived(): Promise<number>;
  /** What lies there. */
  arrivals(): Promise<Arrivals>;
}

export interface Arrivals {
  /** Different notes. */
  readonly numbers: ReadonlySet<number>;
  /** Copies beyond the first. */
  readonly duplicates: number;
  /** Files that are no note. */
  readonly wrong: readonly string[];
}

/** Connections to the first mix, and notes under way to it. */
export const width = 8;
const againMs = 50;
const lookEveryMs = 200;

interface CascadeOptions {
  /** Holds all of it; a folder of its own, which goes with it, when not given. */
  readonly dir?: string;
  /** On every wire. */
  readonly traps?: Traps;
  /** Other than one authority, a mix for each layer, and an epoch that is so long that every mix keeps its layer. */
  readonly change?: Pick<TestnetOptions, 'authorities' | 'mixes' | 'epoch'>;
}

export async function startCascade(
  store: Store,
  { dir, traps, change = {} }: CascadeOptions = {},
): Promise<Cascade> {
  await using opened = new AsyncDisposableStack();
  const folder = dir ?? (await mkdtemp(join(tmpdir(), 'pn-')));
  if (dir === undefined) opened.defer(() => rm(folder, { recursive: true }));
  const redis = store === 'Redis' ? opened.use(await startRedis(folder)) : undefined;
  const tap =
    traps && redis && opened.use(await startTap({ name: store, keep: false, hold: traps.holdRedis }));
  if (redis !== undefined) tap?.leadTo({ path: redis.socket });
  const url = tap === undefined ? redis?.url : `redis://${formatEndpoint(tap.address)}`;
  const tapped = traps && { taps: true, keepTraffic: false };
  const net = opened.use(
    await startTestnet(
      {
        dir: join(folder, 'net'),
        mixes: 3,
        domains: [domain],
        meanDelay: '0ms',
        epoch: '7d',
        restart: true,
        ...change,
        ...tapped,
        ...(url === undefined ? {} : { redis: url }),
      },
      traps && { hold: traps.holdSmtp },
    ),
  );
  const { directory, domains } = net.describe();
  const client = createDirectoryClient({
    ...directory,
    cacheDir: join(folder, 'author'),
    clock: systemClock,
  });
  const zone = parseZone(await readFile(domains[0]?.zone ?? '', 'utf8'), Date.now() / 1_000);
  if (zone.kind !== 'record') throw new Error(zone.reason);
  const { certificate } = zone.record;
  const [recipient] = net.people as [Person];
  const { nodes } = (await client.current()).consensus;
  const mixOf = (hop: number): Member => net.member(nodes.find(({ layer }) => layer === hop)?.name ?? '');
  const shared = opened.use(createSmtpSender({ ehloName: 'a.test', maxConnectionsPerPeer: width }));
  let putOff = 0;
  let taken = 0;
  let looked = { atMs: Number.NEGATIVE_INFINITY, count: Promise.resolve(0) };
  const running = opened.move();
  return {
    net,
    nodes: { 'first mix': mixOf(1), 'second mix': mixOf(2), gateway: net.member(gatewayName(domain)) },
    lastMix: mixOf(3),
    recipient,
    get redis() {
      if (redis === undefined) throw new Error('no spool lies in Redis');
      return redis;
    },
    consensus: async () => (await client.current()).consensus,
    pack: async (number, delays) =>
      packNote(number, await client.current(), { mailbox: recipient.mailbox, domain, certificate }, delays),
    get taken() {
      return taken;
    },
    get putOff() {
      return putOff;
    },
    async handOver({ peer, mail }, { signal, anew = false }) {
      await using own = new AsyncDisposableStack();
      for (;;) {
        const sender = anew
          ? own.use(createSmtpSender({ ehloName: 'a.test', maxConnectionsPerPeer: 1 }))
          : shared;
        const result = await sender.send(peer, { ...mail, signal });
        if (result.kind === 'sent') {
          taken += 1;
          return;
        }
        if (result.kind !== 'deferred') throw new Error(`a note is ${result.kind}`);
        if (result.reason === 'busy') putOff += 1;
        await pause(againMs, undefined, { signal });
      }
    },
    arrived() {
      const atMs = performance.now();
      if (atMs >= looked.atMs + lookEveryMs) looked = { atMs, count: countFiles([recipient]) };
      return looked.count;
    },
    arrivals: () => readArrivals(recipient),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Hands over so many notes, some at a time. */
export async function sendNotes(cascade: Cascade, count: number, signal: AbortSignal): Promise<void> {
  let next = 0;
  const author = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++)
      await cascade.handOver(await cascade.pack(number), { signal });
  };
  await Promise.all(Array.from({ length: width }, author));
}

async function readArrivals({ maildir }: Person): Promise<Arrivals> {
  const numbers = new Set<number>();
  const wrong: string[] = [];
  let duplicates = 0;
  const folder = join(maildir, 'new');
  for (const name of await readdir(folder)) {
    const number = numberOf(await readFile(join(folder, name)));
    if (number === undefined) wrong.push(name);
    else if (numbers.has(number)) duplicates += 1;
    else numbers.add(number);
  }
  return { numbers, duplicates, wrong };
}
