import { stat } from 'node:fs/promises';
import type { AuthDecision } from '@postern/mail';
import { ConfigError, type Log, type Random } from '@postern/runtime';
import { readSecret } from '../../keys/files.ts';
import type { Authors } from './authors.ts';
import { bounded } from './bounded.ts';
import { isPassword, ownCost, type PasswordHash } from './hash.ts';
import { type AuthorList, parseAuthors } from './list.ts';
import { localPart } from './name.ts';

export interface FileAuthorsOptions {
  readonly path: string;
  readonly domain: string;
  readonly log: Log;
  readonly random: Random;
}

/** Hashes at one time, 32 MiB each and in threads that the disk needs as well; and logins that wait for one. */
const load = { atOnce: 2, inLine: 32 };

/**
 * Authors by a file of password hashes, which is read anew once it has changed. While it then does not hold, nobody is judged:
 * who was taken out of it must not get in because of a mistake on another line. Throws as `readAuthorsFile` does, and `ConfigError` when it does
 * not hold now.
 */
export async function openFileAuthors({ path, domain, log, random }: FileAuthorsOptions): Promise<Authors> {
  let seen = await stamp(path);
  let reading: Promise<AuthorList | undefined> = Promise.resolve(await readAuthors(path, domain));
  const desk = bounded(load);
  // As costly as a line that `author set` writes, for users that there are not.
  const nobody: PasswordHash = { ...ownCost, salt: random.bytes(16), hash: random.bytes(32) };

  const current = async (): Promise<AuthorList | undefined> => {
    const now = await stamp(path);
    if (now !== seen) {
      seen = now;
      reading = readAuthors(path, domain).catch((error: Error) => {
        log.error('the file of authors does not hold', { mistakes: mistakesIn(error) });
        return undefined;
      });
    }
    return reading;
  };

  const judge = async (user: string, password: string): Promise<AuthDecision> => {
    const authors = await current();
    if (authors === undefined) return { kind: 'unavailable' };
    const local = localPart(user, domain);
    const hash = local === undefined ? undefined : authors.get(local);
    const right = await isPassword(password, hash ?? nobody);
    return right && hash !== undefined
      ? { kind: 'author', mailbox: `${local}@${domain}` }
      : { kind: 'refused' };
  };

  return {
    judge: async ({ user, password }) =>
      (await desk.run(() => judge(user, password))) ?? { kind: 'unavailable' },
    close: async () => undefined,
  };
}

async function readAuthors(path: string, domain: string): Promise<AuthorList> {
  return parseAuthors(await readAuthorsFile(path), domain, path);
}

/** Throws as `readSecret` does: whoever has a hash can try passwords on it. */
export async function readAuthorsFile(path: string): Promise<string> {
  const ifMissing = 'Correct authors in the section [submission]; postern-node author set makes the file.';
  const bytes = await readSecret(path, { what: 'the hashes of passwords', ifMissing });
  return Buffer.from(bytes).toString('utf8');
}

/** The same as long as nobody has written to the file. */
async function stamp(path: string): Promise<string> {
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(path, { bigint: true });
    return [mtimeNs, ctimeNs, size, ino].join(' ');
  } catch {
    return 'none';
  }
}

/** Lines and what is wrong with them, or why it is not read; nothing of what stands there. */
function mistakesIn(error: Error): string {
  if (!(error instanceof ConfigError)) return error.message;
  return error.mistakes.map(({ path, message }) => `${path} ${message}`.trim()).join('; ');
}
