import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkParameters } from '@postern/directory/client';
import { silentLog } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { learnNetwork } from '../src/network.ts';
import { fakeClock, seeded } from './support.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-network-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a node that is stopped while it asks says nothing of a directory that does not answer', async () => {
  const stop = new AbortController();
  const warned: string[] = [];
  const parameters = (): Promise<NetworkParameters> =>
    new Promise((_, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason));
    });
  const learned = learnNetwork({
    dataDir: folder,
    directory: { parameters },
    clock: fakeClock(0),
    random: seeded('network'),
    log: { ...silentLog, warn: (event) => warned.push(event) },
    signal: stop.signal,
  });
  stop.abort();
  await expect(learned).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  expect(warned).toEqual([]);
});
