import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory for one test, removed after it. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'postern-client-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
