import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurable } from '@postern/runtime';
import { readPublicFile } from './files.ts';

const dayMs = 86_400_000;

/**
 * Notes beside a key whether DNS names it. Gives the Unix seconds at which the day began since which it has done so with no answer to
 * the contrary, and nothing while it does not. Finer than a day nothing is kept.
 */
export async function notePublished(
  dir: string,
  isNamed: boolean,
  nowMs: number,
): Promise<number | undefined> {
  const path = join(dir, 'published');
  if (!isNamed) {
    await rm(path, { force: true });
    return undefined;
  }
  const today = nowMs - (nowMs % dayMs);
  const since = await readPublished(dir);
  // A day that is still to come was written by a clock that was wrong.
  if (since !== undefined && since * 1_000 <= today) return since;
  await writeFileDurable(path, `${new Date(today).toISOString().slice(0, 10)}\n`);
  return today / 1_000;
}

/** Nothing where nothing that can be read is noted. */
export async function readPublished(dir: string): Promise<number | undefined> {
  const text = await readPublicFile(join(dir, 'published')).then(
    (bytes) => Buffer.from(bytes).toString('utf8').trim(),
    () => '',
  );
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}
