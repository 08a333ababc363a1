import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { epochSeconds } from '../testing/clock.ts';
import { askedOf, documentOf, epochOf, type Library, mirror, openLibrary } from '../testing/readers.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
  library.clock.moveTo((epoch + 1) * hour);
});
afterEach(() => library[Symbol.asyncDispose]());

/** Holds its answer back until it is let go. */
function slow(answer: RequestListener): { listener: RequestListener; letGo: () => void } {
  const gate = Promise.withResolvers<void>();
  return {
    listener: (request, response) => void gate.promise.then(() => answer(request, response)),
    letGo: gate.resolve,
  };
}

const memory = (): Promise<string> => readFile(join(library.folder, 'cache', 'seen'), 'utf8');

describe('of two processes with one cache, the one with the slow mirror', () => {
  test('takes what the other has stored instead of going back behind it', async () => {
    const late = slow(mirror(documentOf(epoch)));
    const behind = await library.serving(late.listener);
    const good = await library.serving(mirror(documentOf(epoch + 1)));
    const one = library.client([behind.url]);
    const pending = one.refresh();
    await vi.waitFor(() => expect(askedOf(behind)).toBe(1));
    expect(await epochOf(library.client([good.url]))).toBe(epoch + 1);
    const before = await memory();
    late.letGo();
    expect((await pending).consensus.epoch).toBe(epoch + 1);
    expect(await memory()).toBe(before);
    expect(await readFile(join(library.folder, 'cache', 'consensus'), 'utf8')).toBe(documentOf(epoch + 1));
    expect(await epochOf(one)).toBe(epoch + 1);
  });

  test.each([
    ['another document for the epoch', documentOf(epoch + 1, { meanDelayMs: 300 }), epoch + 1],
    ['one that does not follow on the other’s', documentOf(epoch + 1, { previous: 'f'.repeat(64) }), epoch],
  ])('refuses %s', async (_, document, stored) => {
    const late = slow(mirror(document));
    const behind = await library.serving(late.listener);
    const good = await library.serving(mirror(documentOf(stored)));
    const outcome = library
      .client([behind.url])
      .refresh()
      .catch((error: unknown) => error);
    await vi.waitFor(() => expect(askedOf(behind)).toBe(1));
    await library.client([good.url]).refresh();
    const before = await memory();
    late.letGo();
    expect(await outcome).toMatchObject({ name: 'DirectoryError', code: 'fork' });
    expect(await memory()).toBe(before);
  });
});

test('writers at one time never take the memory back', async () => {
  const folder = join(library.folder, 'cache');
  const source = `
    const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(async ({ openCache }) => {
      const cache = openCache(workerData.folder);
      let back = 0;
      for (let epoch = 1; epoch <= 60; epoch++) {
        const range = { size: 1, hashes: [new Uint8Array(32)] };
        const seen = { epoch, digest: epoch.toString(16).padStart(64, '0'), range };
        await cache.store(String(epoch), seen, (last) => (last !== undefined && last.epoch >= epoch ? 'old' : undefined));
        if (cache.seen().epoch < epoch) back++;
        if (cache.seen().epoch > Number(cache.signed())) back++;
      }
      parentPort.postMessage(back);
    });`;
  const module = new URL('./cache.ts', import.meta.url).href;
  const back = await Promise.all(
    Array.from({ length: 3 }, () => {
      const worker = new Worker(source, {
        eval: true,
        workerData: { module, folder },
        execArgv: ['--conditions=@postern/source'],
      });
      return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    }),
  );
  expect(back).toEqual([0, 0, 0]);
  expect(await memory()).toMatch(/^60 /);
});

test.skipIf(process.geteuid?.() !== 0)(
  'a lock that may not be written keeps nobody out, so nothing is stored',
  async () => {
    const nobody = 65_534;
    const outer = await mkdtemp(join(tmpdir(), 'postern-cache-'));
    const folder = join(outer, 'cache');
    await chmod(outer, 0o755);
    await mkdir(folder, { mode: 0o700 });
    await writeFile(join(folder, 'lock'), '', { mode: 0o644 });
    await chown(folder, nobody, nobody);
    // access(2) goes by the real user, whom only a process of its own can change
    const attempt = `
    const { openCache } = await import(${JSON.stringify(join(import.meta.dirname, 'cache.ts'))});
    process.setuid(${nobody});
    const seen = { epoch: 1, digest: 'a'.repeat(64), range: { size: 1, hashes: [new Uint8Array(32)] } };
    const said = await openCache(${JSON.stringify(folder)}).store('x', seen, () => undefined).catch(({ code }) => code);
    console.log(String(said));`;
    const node = ['--conditions=@postern/source', '--input-type=module', '-e', attempt];
    const { stdout } = await promisify(execFile)(process.execPath, node);
    expect(stdout.trim()).toBe('wrong-cache');
    expect(await readdir(folder)).toEqual(['lock']);
    await rm(outer, { recursive: true });
  },
);
