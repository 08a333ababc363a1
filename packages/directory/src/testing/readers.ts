import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Agenda,
  type Consensus,
  consensusDigest,
  formatAuthorityKey,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import { appendLeaf, emptyRange, hashOfLeaf, headOf, type Leaf, parseTileName } from '@postern/protocol/log';
import { defaultGeometry } from '@postern/protocol/packet';
import { ed25519 } from '@postern/protocol/primitives';
import { seeded } from '@postern/protocol/testing';
import {
  createDirectoryClient,
  type DirectoryClient,
  type DirectoryClientOptions,
} from '../client/client.ts';
import { type ConsensusLog, openLog } from '../log/log.ts';
import { epochSeconds, FakeClock } from './clock.ts';
import { serve, type TestServer, text } from './servers.ts';

interface Signer {
  readonly name: string;
  readonly seed: Uint8Array;
}

export const ours: Signer = { name: 'authority1.test', seed: seeded('ours').bytes(32) };
export const others: Signer = { name: 'authority2.test', seed: seeded('others').bytes(32) };

export function vkeyOf({ name, seed }: Signer): string {
  return formatAuthorityKey(name, ed25519.publicKey(seed));
}

/** The first epoch of which our authority has a consensus. */
const firstEpoch = 990;

const leaves: Leaf[] = [];

/** What a consensus of ours says of those before it: there is one for each epoch from the first on. */
function before(at: number): Pick<Agenda, 'previous' | 'log'> {
  for (let epoch = firstEpoch + leaves.length; epoch < at; epoch++)
    leaves.push({ epoch, digest: consensusDigest(agreed(epoch, before(epoch))) });
  const some = leaves.slice(0, Math.max(0, at - firstEpoch));
  return {
    previous: some.at(-1)?.digest ?? '',
    log: headOf(some.map(hashOfLeaf).reduce(appendLeaf, emptyRange)),
  };
}

/** The log of ours up to this epoch, as a directory has it. */
export function logOf(epoch: number): ConsensusLog {
  before(epoch + 1);
  return openLog({ leaves: (from) => leaves.filter((leaf) => leaf.epoch >= from && leaf.epoch <= epoch) });
}

/** Serves a consensus, and the tiles of our log. */
export function mirror(signed: string, log: ConsensusLog = logOf(firstEpoch + 50)): RequestListener {
  return (request, response) => {
    const [, path] = request.url?.split('/v1/log/tile/') ?? [];
    if (path === undefined) return text(signed)(request, response);
    const name = parseTileName(path);
    const tile = name && log.tile(name);
    response.writeHead(tile === undefined ? 404 : 200).end(tile ?? '');
  };
}

/** The consensus of an epoch, as our authority signs it, chained to those of the epochs before. */
export function documentOf(
  at: number,
  change: Partial<Agenda> = {},
  signers: readonly Signer[] = [ours],
): string {
  return signConsensus(agreed(at, { ...before(at), ...change }), signers);
}

function agreed(at: number, change: Partial<Agenda> & Pick<Agenda, 'previous' | 'log'>): Consensus {
  return tabulate([], {
    epoch: at,
    epochSeconds,
    geometry: defaultGeometry,
    meanDelayMs: 200,
    shared: seeded(`shared ${at}`).bytes(32),
    revoked: [],
    ...change,
  });
}

/** How often a consensus was asked for. */
export function askedOf({ requests }: TestServer): number {
  return requests.filter(({ url }) => url === '/v1/consensus').length;
}

/** A folder, a clock, and what a test reads from; disposing of it ends and removes all. */
export interface Library extends AsyncDisposable {
  readonly folder: string;
  readonly clock: FakeClock;
  serving(answer: RequestListener): Promise<TestServer>;
  /** A client that believes our authority alone and keeps its cache in the folder. */
  client(urls: readonly string[], change?: Partial<DirectoryClientOptions>): DirectoryClient;
  /** Ends it with the rest. */
  add(one: AsyncDisposable): void;
}

export async function openLibrary(): Promise<Library> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-directory-'));
  const clock = new FakeClock();
  const open: AsyncDisposable[] = [];
  return {
    folder,
    clock,
    async serving(answer) {
      const server = await serve(answer);
      open.push(server);
      return server;
    },
    client: (urls, change = {}) =>
      createDirectoryClient({
        urls,
        authorities: [vkeyOf(ours)],
        threshold: 1,
        cacheDir: join(folder, 'cache'),
        clock,
        timeoutMs: 5_000,
        ...change,
      }),
    add: (one) => void open.push(one),
    async [Symbol.asyncDispose]() {
      await Promise.all(open.map((one) => one[Symbol.asyncDispose]()));
      await rm(folder, { recursive: true });
    },
  };
}

export async function epochOf(client: DirectoryClient): Promise<number> {
  return (await client.current()).consensus.epoch;
}
