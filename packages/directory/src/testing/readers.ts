import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NoteSigner } from '@postern/protocol/codec';
import {
  type Agenda,
  type Consensus,
  consensusDigest,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { seeded, type TestAuthority, testAuthority } from '@postern/protocol/testing';
import {
  createDirectoryClient,
  type DirectoryClient,
  type DirectoryClientOptions,
} from '../client/client.ts';
import { epochSeconds, FakeClock, start } from './clock.ts';
import { serve, type TestServer } from './servers.ts';

const seconds = Math.floor(start / 1_000);
export const ours: TestAuthority = testAuthority('authority1.test', { now: seconds });
export const others: TestAuthority = testAuthority('authority2.test', { now: seconds });

/** The first epoch of which our authority has a consensus. */
const firstEpoch = 990;

/** Digest of what our authority signs for the epoch before. */
function digestBefore(at: number): string {
  let digest = '';
  for (let epoch = firstEpoch; epoch < at; epoch++)
    digest = consensusDigest(agreed(epoch, { previous: digest }));
  return digest;
}

const documents = new Map<string, string>();

/** The consensus of an epoch, as our authority signs it, chained to those of the epochs before: the same whenever it is asked for. */
export function documentOf(
  at: number,
  change: Partial<Agenda> = {},
  signers: readonly NoteSigner[] = [ours],
): string {
  const consensus = agreed(at, { previous: digestBefore(at), ...change });
  const by = signers.map(({ name, keyId }) => `${name} ${keyId}`);
  const key = `${consensusDigest(consensus)} ${by.join()}`;
  const document = documents.get(key) ?? signConsensus(consensus, signers);
  documents.set(key, document);
  return document;
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
      const server = await serve(answer, [ours.certificate, others.certificate]);
      open.push(server);
      return server;
    },
    client: (urls, change = {}) =>
      createDirectoryClient({
        urls,
        authorities: [ours.vkey],
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
