import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryError, type NetworkParameters } from '@postern/directory/client';
import { defaultGeometry } from '@postern/protocol/packet';
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

test('what the directory says counts where it cannot be kept, and the directory is not blamed for that', async () => {
  const path = join(folder, 'network.json');
  await mkdir(path);
  const warned: unknown[] = [];
  const said = { epochSeconds: 3_600, meanDelayMs: 200, geometry: defaultGeometry };
  const network = await learnNetwork({
    dataDir: folder,
    directory: { parameters: async () => said },
    clock: { now: () => 0, wait: () => Promise.reject(new Error('asked again')) },
    random: seeded('network'),
    log: { ...silentLog, warn: (event, fields) => warned.push({ event, ...fields }) },
    signal: new AbortController().signal,
  });
  expect(network).toEqual({ epochSeconds: 3_600, geometry: defaultGeometry });
  expect(warned).toEqual([
    { event: 'the parameters of the network cannot be kept', path, code: expect.any(String) },
  ]);
});

test('why no directory gives them is said again when it is something else', async () => {
  const warned: object[] = [];
  const url = 'http://one.test';
  const unreachable = { url, reason: 'unreachable', detail: 'unquoted' } as const;
  const refused = { url, reason: 'too-few-signatures', detail: 'unquoted' } as const;
  const said = { epochSeconds: 3_600, meanDelayMs: 200, geometry: defaultGeometry };
  const answers = [unreachable, unreachable, refused, refused];
  const network = await learnNetwork({
    dataDir: folder,
    directory: {
      async parameters() {
        const failure = answers.shift();
        if (failure === undefined) return said;
        throw new DirectoryError(failure.reason, failure.detail, { failures: [failure] });
      },
    },
    clock: { now: () => 0, wait: async () => undefined },
    random: seeded('network'),
    log: { ...silentLog, warn: (event, fields) => warned.push({ event, ...fields }) },
    signal: new AbortController().signal,
  });
  expect(network).toEqual({ epochSeconds: 3_600, geometry: defaultGeometry });
  expect(warned).toMatchObject(
    [unreachable, refused].map(({ reason }) => ({
      event: 'no directory gives parameters that hold',
      code: reason,
      answers: `${url}: ${reason}`,
      hint: expect.any(String),
      known: false,
    })),
  );
  expect(JSON.stringify(warned)).not.toContain('unquoted');
});
