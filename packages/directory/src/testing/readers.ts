import { rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import type { NoteSigner } from '@postern/protocol/codec';
import { type Agenda, consensusDigest, signConsensus, tabulate } from '@postern/protocol/consensus';
import { appendLeaf, emptyRange, hashOfLeaf, headOf } from '@postern/protocol/log';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { storesFolder } from '@postern/runtime/testing';
import {
  createDirectoryClient,
  type DirectoryClient,
  type DirectoryClientOptions,
} from '../client/client.ts';
import { agendaOf, createChain } from './chain.ts';
import { FakeClock, start } from './clock.ts';
import { serve, type TestServer } from './servers.ts';

const seconds = Math.floor(start / 1_000);
export const ours: TestAuthority = testAuthority('authority1.test', { now: seconds });
export const others: TestAuthority = testAuthority('authority2.test', { now: seconds });

/** The first epoch of which our authority has a consensus. */
const firstEpoch = 990;

const history = createChain([ours]);

/** What a consensus says of those before it: there is one for each epoch from the first on. */
function before(at: number): Pick<Agenda, 'previous' | 'log'> {
  while (firstEpoch + history.leaves.length < at) history.issue(firstEpoch + history.leaves.length);
  const leaves = history.leaves.slice(0, Math.max(0, at - firstEpoch));
  const log = headOf(leaves.map(hashOfLeaf).reduce(appendLeaf, emptyRange));
  return { previous: leaves.at(-1)?.digest ?? '', log };
}

const documents = new Map<string, string>();

/** The consensus of an epoch, as our authority signs it, chained to those of the epochs before: the same whenever it is asked for. */
export function documentOf(
  at: number,
  change: Partial<Agenda> = {},
  signers: readonly NoteSigner[] = [ours],
): string {
  const consensus = tabulate([], { ...agendaOf(at), ...before(at), ...change });
  const by = signers.map(({ name, keyId }) => `${name} ${keyId}`);
  const key = `${consensusDigest(consensus)} ${by.join()}`;
  const document = documents.get(key) ?? signConsensus(consensus, signers);
  documents.set(key, document);
  return document;
}

/** Serves a consensus, and our log. */
export function mirror(signed: string): RequestListener {
  return history.serve(signed);
}

/** How often a consensus was asked for, whole or as a diff. */
export function askedOf({ requests }: TestServer): number {
  return requests.filter(({ url = '' }) => /^\/v1\/consensus(?:\/diff|$)/.test(url)).length;
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
  const folder = await storesFolder('directory');
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
