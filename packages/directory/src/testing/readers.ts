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
import { defaultGeometry } from '@postern/protocol/packet';
import { ed25519 } from '@postern/protocol/primitives';
import { seeded } from '@postern/protocol/testing';
import {
  createDirectoryClient,
  type DirectoryClient,
  type DirectoryClientOptions,
} from '../client/client.ts';
import { epochSeconds, FakeClock } from './clock.ts';
import { serve, type TestServer } from './servers.ts';

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

/** Digest of what our authority signs for the epoch before. */
function digestBefore(at: number): string {
  let digest = '';
  for (let epoch = firstEpoch; epoch < at; epoch++)
    digest = consensusDigest(agreed(epoch, { previous: digest }));
  return digest;
}

/** The consensus of an epoch, as our authority signs it, chained to those of the epochs before. */
export function documentOf(
  at: number,
  change: Partial<Agenda> = {},
  signers: readonly Signer[] = [ours],
): string {
  return signConsensus(agreed(at, { previous: digestBefore(at), ...change }), signers);
}

function agreed(at: number, change: Partial<Agenda>): Consensus {
  return tabulate([], {
    epoch: at,
    epochSeconds,
    geometry: defaultGeometry,
    meanDelayMs: 200,
    shared: seeded(`shared ${at}`).bytes(32),
    previous: '',
    revoked: [],
    votes: [],
    reveals: [],
    ...change,
  });
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
