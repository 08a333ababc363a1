import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { readAtRest, unpack } from '@postern/testkit';
import { type Found, type Sought, vectorBytes } from './keys.ts';

/** What was found among some bytes, and how much of them could have been a key. */
export interface Outcome {
  readonly found: readonly Found[];
  readonly tried: number;
  readonly bytes: number;
}

const pieceBytes = 256 * 1024;
/** Pieces overlap by what a key that lies across their border needs. */
const overlap = vectorBytes;

/**
 * Tries every window of all of it as each form of a private key, and of what is hex or base64 in it once that is decoded. `untilAll`: ends when something of each key
 * has been found.
 */
export async function search(
  pieces: AsyncIterable<Uint8Array>,
  sought: readonly Sought[],
  { untilAll = false }: { readonly untilAll?: boolean } = {},
): Promise<Outcome> {
  await using team = createTeam(sought);
  for await (const bytes of pieces) {
    if (untilAll && sought.every(({ name }) => team.has(name))) break;
    await team.take(bytes);
    for (const { how, bytes: decoded } of unpack(Buffer.from(bytes))) {
      if (how !== 'hex' && how !== 'base64') break;
      if (decoded.length >= 32) await team.take(decoded);
    }
  }
  return await team.end();
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

/** What all files below a folder hold. */
export async function* piecesUnder(folder: string): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of readAtRest(folder)) yield* cut(bytes);
}

/** Bytes in pieces. */
export function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.slice(at, at + pieceBytes + overlap);
}

interface Team extends AsyncDisposable {
  /** Resolves once a worker has begun with it. */
  take(bytes: Uint8Array): Promise<void>;
  /** Whether something of that name has been found. */
  has(name: string): boolean;
  end(): Promise<Outcome>;
}

function createTeam(sought: readonly Sought[]): Team {
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL('./worker.ts', import.meta.url), { workerData: sought }),
  );
  const idle = [...workers];
  const waiting: ((worker: Worker) => void)[] = [];
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const underWay = new Set<Promise<void>>();
  const found: Found[] = [];
  let tried = 0;
  let bytes = 0;
  for (const worker of workers) worker.on('error', failed.reject);

  const free = (worker: Worker): void => {
    const next = waiting.shift();
    if (next === undefined) idle.push(worker);
    else next(worker);
  };
  const run = (worker: Worker, piece: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      worker.once('message', (outcome: Outcome) => {
        found.push(...outcome.found);
        tried += outcome.tried;
        bytes += outcome.bytes;
        free(worker);
        resolve();
      });
      worker.postMessage(piece);
    });
  return {
    async take(given) {
      const worker =
        idle.pop() ??
        (await Promise.race([new Promise<Worker>((resolve) => waiting.push(resolve)), failed.promise]));
      const done = run(worker, given);
      underWay.add(done);
      void done.finally(() => underWay.delete(done));
    },
    has: (name) => found.some((one) => one.name === name),
    async end() {
      await Promise.race([Promise.all(underWay), failed.promise]);
      return { found, tried, bytes };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
