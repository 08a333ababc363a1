import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { keyEpochsHeld } from '@postern/protocol/consensus';
import { type CompactRange, formatRange, parseRange } from '@postern/protocol/log';
import { lockFile, makePrivateDirectory, UserError } from '@postern/runtime';
import { z } from 'zod';
import { DirectoryError } from './errors.ts';

/** The newest consensus accepted: what rollback and fork are measured against. */
export interface Seen {
  readonly epoch: number;
  readonly digest: string;
  /** Of the log with this consensus as its last leaf. */
  readonly range: CompactRange;
}

/** Why nothing of the authorities' is used any more: what they have signed contradicts itself. */
export interface Fork {
  /** Unix seconds at which it was found. */
  readonly since: number;
  /** Two that prove it (spec log 8); else what contradicts the memory, and the one that was stored last. */
  readonly documents: readonly string[];
  /** Of the keys that signed them. */
  readonly certificates: readonly string[];
  readonly proven: boolean;
  /** The file that it lies in. */
  readonly path: string;
}

/** A file that a person may have written: of a time that can be told. */
const forkShape: z.ZodType<Omit<Fork, 'path'>> = z.object({
  since: z.int().min(0).max(8_640_000_000_000),
  documents: z.array(z.string()),
  certificates: z.array(z.string()),
  proven: z.boolean(),
});

/** Where a text lies that can be had again; `undefined` while there is none. */
export interface TextStore {
  load(): string | undefined;
  save(text: string): Promise<void>;
}

/** What a client remembers of the directory from one run to the next. */
export interface ConsensusCache {
  /** The last document stored, as it was signed; never older than what `seen` said before. */
  signed(): string | undefined;
  /** Documents that were stored before, as they were signed, of as many epochs as mixes hold keys of past ones; in no order. */
  past(): readonly string[];
  /** Throws `DirectoryError` `wrong-cache` when it cannot be read: a lost memory would let old documents in. */
  seen(): Seen | undefined;
  /**
   * Stores a document, unless `objection` has one in view of what is remembered at that moment, which nobody changes meanwhile:
   * then that objection. Durable when it resolves.
   */
  store<T>(
    signed: string,
    seen: Seen,
    objection: (last: Seen | undefined) => T | undefined,
  ): Promise<T | undefined>;
  /** The last one that was fetched before its epoch, as it was signed. */
  ahead(): string | undefined;
  /** Stores such a one, in the like manner. */
  storeAhead<T>(signed: string, objection: (last: Seen | undefined) => T | undefined): Promise<T | undefined>;
  /** Nothing of the authorities' is used while there is one. Throws `DirectoryError` `wrong-cache` when it cannot be read. */
  fork(): Fork | undefined;
  /** Keeps the first that comes, and the first that is proven in its place. Durable when it resolves. */
  keepFork(fork: Omit<Fork, 'path'>): Promise<void>;
  /** Certificates are public, and verified again whenever they are read. */
  readonly certificates: TextStore;
  /** Notices of outages, verified again in the like manner. */
  readonly outages: TextStore;
}

/** How long one process waits for another's lock, milliseconds; it is held for two writes. */
const lockTimeoutMs = 5_000;

/** A cache in a folder, which is made when needed. Several processes may share it. */
export function openCache(folder: string): ConsensusCache {
  const documentPath = join(folder, 'consensus');
  const seenPath = join(folder, 'seen');
  const forkPath = join(folder, 'fork');
  const forkThere = (): Fork | undefined => {
    const text = readIfThere(forkPath);
    if (text === undefined) return undefined;
    try {
      return { ...forkShape.parse(JSON.parse(text)), path: forkPath };
    } catch (cause) {
      throw new DirectoryError('wrong-cache', `${forkPath} is damaged`, { cause });
    }
  };
  const recall = (): Seen | undefined => {
    const text = readIfThere(seenPath);
    if (text === undefined) return undefined;
    const [, epoch, digest, line = ''] = /^(\d{1,10}) ([0-9a-f]{64}) (.+)\n$/.exec(text) ?? [];
    const range = parseRange(line);
    if (digest === undefined || range === undefined)
      throw new DirectoryError('wrong-cache', `${seenPath} is damaged, or was written by an older version`);
    return { epoch: Number(epoch), digest, range };
  };
  return {
    signed: () => readIfThere(documentPath),
    past: () => pastIn(folder).flatMap(({ name }) => readIfThere(join(folder, name)) ?? []),
    seen: recall,
    async store(signed, { epoch, digest, range }, objection) {
      try {
        await makePrivateDirectory(folder);
        using _ = lock(folder);
        const last = recall();
        const found = objection(last);
        if (found !== undefined) return found;
        if (last !== undefined && last.epoch < epoch) keepPast(folder, last.epoch, { epoch, signed });
        // the document first: after a crash between the two it is verified again, followed to, and stored anew
        replace(folder, 'consensus', signed);
        replace(folder, 'seen', `${epoch} ${digest} ${formatRange(range)}\n`);
        return undefined;
      } catch (cause) {
        throw notKept('the consensus', folder, cause);
      }
    },
    ahead: () => readIfThere(join(folder, 'ahead')),
    async storeAhead(signed, objection) {
      try {
        await makePrivateDirectory(folder);
        using _ = lock(folder);
        const found = objection(recall());
        if (found === undefined) replace(folder, 'ahead', signed);
        return found;
      } catch (cause) {
        throw notKept('the consensus fetched ahead', folder, cause);
      }
    },
    fork: forkThere,
    async keepFork(fork) {
      try {
        await makePrivateDirectory(folder);
        using _ = lock(folder);
        const kept = forkThere();
        if (kept === undefined || (fork.proven && !kept.proven))
          replace(folder, 'fork', `${JSON.stringify(fork)}\n`);
      } catch (cause) {
        throw notKept('what shows a fork', folder, cause);
      }
    },
    certificates: storeIn(folder, 'certificates', 'certificates'),
    outages: storeIn(folder, 'outages', 'notices of outages'),
  };
}

function storeIn(folder: string, name: string, what: string): TextStore {
  return {
    load: () => readIfThere(join(folder, name)),
    async save(text) {
      try {
        await makePrivateDirectory(folder);
        using _ = lock(folder);
        replace(folder, name, text);
      } catch (cause) {
        throw notKept(what, folder, cause);
      }
    },
  };
}

const pastName = /^consensus-(\d{1,10})$/;

function pastIn(folder: string): { readonly name: string; readonly epoch: number }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const [, epoch] = pastName.exec(name) ?? [];
    return epoch === undefined ? [] : [{ name, epoch: Number(epoch) }];
  });
}

/**
 * What is about to be replaced is kept under its epoch, as long as packets that were built with it may be on their way. It was before, when the
 * newest lies there already.
 */
function keepPast(
  folder: string,
  last: number,
  newest: { readonly epoch: number; readonly signed: string },
): void {
  const isOver = (epoch: number): boolean => epoch + keyEpochsHeld < newest.epoch;
  for (const { name, epoch } of pastIn(folder))
    if (isOver(epoch)) rmSync(join(folder, name), { force: true });
  const signed = readIfThere(join(folder, 'consensus'));
  if (signed !== undefined && signed !== newest.signed && !isOver(last))
    replace(folder, `consensus-${last}`, signed);
}

function notKept(what: string, folder: string, cause: unknown): DirectoryError {
  if (cause instanceof DirectoryError) return cause;
  const why = cause instanceof UserError ? `: ${cause.message}` : '';
  return new DirectoryError('wrong-cache', `${what} cannot be kept in ${folder}${why}`, { cause });
}

/** Keeps others from storing. Waiting blocks the thread, which is why what is done under it never awaits. */
function lock(folder: string): Disposable {
  return lockFile(join(folder, 'lock'), lockTimeoutMs);
}

/**
 * As `writeFileDurable`, without waiting for anything: written aside, synced, renamed, directory synced, so that a crash leaves the old or the new content.
 * Under the lock there is one file aside at a time; what a crash leaves of it the next one overwrites.
 */
function replace(folder: string, name: string, content: string): void {
  const aside = join(folder, '.aside');
  try {
    writeFileSync(aside, content, { mode: 0o600, flush: true });
    renameSync(aside, join(folder, name));
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
  const directory = openSync(folder, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new DirectoryError('wrong-cache', `${path} cannot be read`, { cause });
  }
}
