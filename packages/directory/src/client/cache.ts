import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, writeFileDurable } from '@postern/runtime';
import { DirectoryError } from './errors.ts';

/** The newest consensus accepted: what rollback and fork are measured against. */
export interface Seen {
  readonly epoch: number;
  readonly digest: string;
}

/** What a client remembers of the directory from one run to the next. */
export interface ConsensusCache {
  /** The last document stored, as it was signed. */
  signed(): Promise<string | undefined>;
  /** Throws `DirectoryError` `wrong-cache` when it cannot be read: a lost memory would let old documents in. */
  seen(): Promise<Seen | undefined>;
  /** Durable when it resolves. */
  store(signed: string, seen: Seen): Promise<void>;
}

/** A cache in a folder, which is made when needed. Several processes may share it. */
export function openCache(folder: string): ConsensusCache {
  const documentPath = join(folder, 'consensus');
  const seenPath = join(folder, 'seen');
  return {
    signed: () => readIfThere(documentPath),
    async seen() {
      const text = await readIfThere(seenPath);
      if (text === undefined) return undefined;
      const [, epoch, digest] = /^(\d{1,10}) ([0-9a-f]{64})\n$/.exec(text) ?? [];
      if (digest === undefined) throw new DirectoryError('wrong-cache', `${seenPath} is damaged`);
      return { epoch: Number(epoch), digest };
    },
    async store(signed, { epoch, digest }) {
      try {
        await makePrivateDirectory(folder);
        // the document first: after a crash between the two it is verified again and seen anew
        await writeFileDurable(documentPath, signed);
        await writeFileDurable(seenPath, `${epoch} ${digest}\n`);
      } catch (cause) {
        throw new DirectoryError('wrong-cache', `the consensus cannot be kept in ${folder}`, { cause });
      }
    },
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new DirectoryError('wrong-cache', `${path} cannot be read`, { cause });
  }
}
