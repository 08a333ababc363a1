import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { unpack } from '@postern/testkit';
import { type Found, type Share, type Sought, vectorBytes } from './keys.ts';

/** What was found among some bytes, and how much of them could have been a key. */
export interface Outcome {
  readonly found: readonly Found[];
  readonly tried: number;
  /** Of those, as a chain key too. */
  readonly followed: number;
  /** Of these, because they stand where a chain key is stored. */
  readonly behind: number;
  readonly bytes: number;
}

const pieceBytes = 256 * 1024;
/** Pieces overlap by what a key that lies across their border needs. */
const overlap = vectorBytes;

export interface SearchOptions {
  /** Ends when something of each key has been found. */
  readonly untilAll?: boolean;
  /** One of how many windows is tried as a chain key wherever it stands, drawn anew in each search; each when not given. */
  readonly chainOneIn?: number;
}

/** Tries every window of all of it as each form of a private key, and of what is hex or base64 in it once that is decoded. */
export async function search(
  pieces: AsyncIterable<Uint8Array>,
  sought: readonly Sought[],
  { untilAll = false, chainOneIn = 1 }: SearchOptions = {},
): Promise<Outcome> {
  await using team = createTeam(sought, chainOneIn);
  for await (const bytes of pieces) {
    if (untilAll && sought.every(({ name }) => team.has(name))) break;
    await team.look(bytes);
    for (const { how, bytes: decoded } of unpack(Buffer.from(bytes))) {
      if (how !== 'hex' && how !== 'base64') break;
      if (decoded.length >= 32) await team.look(decoded);
    }
  }
  return team.outcome();
}

/** The blocks of a disk, or of a partition, as they lie there; a piece in which there is nothing is left out. */
export async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  await using file = await open(path);
  const { size } = await file.stat();
  for (let at = 0; at < size; at += pieceBytes) {
    const bytes = Buffer.alloc(Math.min(pieceBytes + overlap, size - at));
    await file.read(bytes, 0, bytes.length, at);
    if (bytes.some((byte) => byte !== 0)) yield bytes;
  }
}

/** Bytes in pieces. */
export function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.slice(at, at + pieceBytes + overlap);
}

interface Team extends AsyncDisposable {
  /** Resolves once all have looked at it, each for its share of the windows. */
  look(bytes: Uint8Array): Promise<void>;
  /** Whether something of that name has been found. */
  has(name: string): boolean;
  outcome(): Outcome;
}

function createTeam(sought: readonly Sought[], chainOneIn: number): Team {
  const lenses = availableParallelism();
  const drawn = randomInt(chainOneIn);
  const workers = Array.from({ length: lenses }, (_, lens) => {
    const share: Share = { lens, lenses, chainOneIn, drawn };
    return new Worker(new URL('./worker.ts', import.meta.url), { workerData: { sought, share } });
  });
  const found: Found[] = [];
  const counted = { tried: 0, followed: 0, behind: 0, bytes: 0 };

  const ask = async (worker: Worker, piece: Uint8Array): Promise<void> => {
    worker.postMessage(piece);
    const [told] = (await once(worker, 'message')) as [Omit<Outcome, 'bytes'>];
    found.push(...told.found);
    counted.tried += told.tried;
    counted.followed += told.followed;
    counted.behind += told.behind;
  };
  return {
    async look(bytes) {
      await Promise.all(workers.map((worker) => ask(worker, bytes)));
      counted.bytes += bytes.length;
    },
    has: (name) => found.some((one) => one.name === name),
    outcome: () => ({ found, ...counted }),
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
