import { randomBytes } from 'node:crypto';
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
import { type Equivocation, keyEpochsHeld } from '@postern/protocol/consensus';
import { type CompactRange, formatRange, parseRange } from '@postern/protocol/log';
import { lockFile, makePrivateDirectory, UserError } from '@postern/runtime';
import { DirectoryError } from './errors.ts';

/** The newest consensus accepted: what rollback and fork are measured against. */
export interface Seen {
  readonly epoch: number;
  readonly digest: string;
  /** Of the log with this consensus as its last leaf. */
  readonly range: CompactRange;
}

/** Two documents of which there may be one, and the certificates of the keys that signed them. */
export interface Fork extends Equivocation {
  /** Unix seconds at which it was found. */
  readonly since: number;
  /** The file that it lies in. */
  readonly path: string;
}

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
  /** The proof that authorities have signed two documents, once there is one: nothing of theirs is used while it lies there. */
  fork(): Fork | undefined;
  /** Keeps the first proof that comes. Durable when it resolves. */
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
        if (last !== undefined && last.epoch < epoch) keepPast(folder, last.epoch, epoch);
        // the document first: after a crash between the two it is verified again and seen anew
        replace(folder, 'consensus', signed);
        replace(folder, 'seen', `${epoch} ${digest} ${formatRange(range)}\n`);
        return undefined;
      } catch (cause) {
        throw notKept('the consensus', folder, cause);
      }
    },
    fork() {
      const path = join(folder, 'fork');
      const text = readIfThere(path);
      if (text === undefined) return undefined;
      try {
        return { ...(JSON.parse(text) as Omit<Fork, 'path'>), path };
      } catch (cause) {
        throw new DirectoryError('wrong-cache', `${path} is damaged`, { cause });
      }
    },
    async keepFork(fork) {
      try {
        await makePrivateDirectory(folder);
        using _ = lock(folder);
        if (readIfThere(join(folder, 'fork')) === undefined)
          replace(folder, 'fork', `${JSON.stringify(fork)}\n`);
      } catch (cause) {
        throw notKept('the proof of two documents', folder, cause);
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

/** What is about to be replaced is kept under its epoch, as long as packets that were built with it may be on their way. */
function keepPast(folder: string, last: number, newest: number): void {
  const isOver = (epoch: number): boolean => epoch + keyEpochsHeld < newest;
  for (const { name, epoch } of pastIn(folder))
    if (isOver(epoch)) rmSync(join(folder, name), { force: true });
  const signed = readIfThere(join(folder, 'consensus'));
  if (signed !== undefined && !isOver(last)) replace(folder, `consensus-${last}`, signed);
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

/** Written aside, synced, renamed, directory synced: a crash leaves the old or the new content. */
function replace(folder: string, name: string, content: string): void {
  const aside = join(folder, `.${name}.${randomBytes(6).toString('hex')}`);
  writeFileSync(aside, content, { flag: 'wx', mode: 0o600, flush: true });
  renameSync(aside, join(folder, name));
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
