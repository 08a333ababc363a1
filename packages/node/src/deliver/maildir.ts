import { hash } from 'node:crypto';
import { open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, syncDirectory } from '@postern/runtime';
import type { MaildirConfig } from '../config.ts';
import { codeOf } from '../loop.ts';
import type { MailSystem } from './deliver.ts';

/**
 * Delivers into Maildirs (https://cr.yp.to/proto/maildir.html): written and synced in `tmp`, renamed into `new`, the directory synced. The name
 * follows from the set's id, so a delivery that is repeated after a crash finds the first one in `new` or `cur`.
 */
export function maildirs({ path, mailboxes }: MaildirConfig): MailSystem {
  return {
    async put({ setId, local, bytes }) {
      if (!mailboxes.includes(local)) return { kind: 'refused', failure: { status: '5.1.1' } };
      const maildir = path.replaceAll('{local}', local);
      try {
        await makeMaildir(maildir);
        const name = nameFor(setId);
        const found = await find(maildir, name);
        if (found === undefined) await write(maildir, name, bytes);
        await syncDirectory(join(maildir, found ?? 'new'));
        return { kind: 'delivered' };
      } catch (error) {
        return { kind: 'deferred', why: codeOf(error) };
      }
    },
    close: async () => undefined,
  };
}

const folders = ['tmp', 'new', 'cur'] as const;

async function makeMaildir(maildir: string): Promise<void> {
  const made = await Promise.all(folders.map((folder) => makeDirectory(join(maildir, folder))));
  for (const path of made) if (path !== undefined) await syncDirectory(dirname(path));
}

/** The id itself stays inside the gateway. */
function nameFor(setId: string): string {
  return `${hash('sha256', `postern maildir ${setId}`).slice(0, 40)}.postern`;
}

/** The folder in which a message lies already. It may not be durable there: the crash may have come before the sync. */
async function find(maildir: string, name: string): Promise<'new' | 'cur' | undefined> {
  for (const folder of ['new', 'cur'] as const) {
    const names = await readdir(join(maildir, folder));
    // A mail program that has seen the message adds its flags behind a colon.
    if (names.some((other) => other === name || other.startsWith(`${name}:`))) return folder;
  }
  return undefined;
}

async function write(maildir: string, name: string, bytes: Uint8Array): Promise<void> {
  const aside = join(maildir, 'tmp', name);
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    await unlink(aside).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  await rename(aside, join(maildir, 'new', name));
}
