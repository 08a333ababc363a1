import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { addNext, promote, tlsRing } from '../src/keys/ring.ts';
import { openRotation } from '../src/rotation.ts';
import { fakeClock, until } from './support.ts';

const startSeconds = 1_800_000_000;

/** A data directory with three keys, the last of which is in force. */
async function withThree(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postern-rotation-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  await writeFile(join(dataDir, 'tls.key'), 'first');
  for (const [at, text] of ['second', 'third'].entries()) {
    await addNext(dataDir, tlsRing, startSeconds, (dir) => writeFile(join(dir, 'tls.key'), text));
    await promote(dataDir, tlsRing, startSeconds + at);
  }
  return dataDir;
}

function contextOf(dataDir: string, errors: string[] = []) {
  return {
    clock: fakeClock(startSeconds * 1_000),
    log: { ...silentLog, error: (message: string) => void errors.push(message) },
    dataDir,
    kind: tlsRing,
    what: 'TLS',
    async load(dir: string): Promise<string> {
      const text = await readFile(join(dir, 'tls.key'), 'utf8');
      if (text === 'random') throw new Error('no key');
      return text;
    },
  };
}

test('a key before that cannot be read is logged once, and stops neither the start nor what follows', async () => {
  const dataDir = await withThree();
  await writeFile(join(dataDir, tlsRing.folder, `since-${startSeconds}`, 'tls.key'), 'random');
  const errors: string[] = [];
  const context = contextOf(dataDir, errors);
  const rotation = await openRotation(context);
  expect(rotation.keys().current.value).toBe('third');
  expect(rotation.keys().previous.map(({ value, until }) => [value, until])).toEqual([
    ['first', startSeconds + tlsRing.overlap],
  ]);
  const loop = rotation.start({ mayPromote: () => true, mayForget: () => true });
  onTestFinished(() => loop.stop());
  for (let turns = 0; turns < 20; turns++) {
    await context.clock.advance(2_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(errors).toHaveLength(1);
  await addNext(dataDir, tlsRing, startSeconds, (dir) => writeFile(join(dir, 'tls.key'), 'fourth'));
  await until(async () => {
    await context.clock.advance(2_000);
    return rotation.keys().current.value === 'fourth';
  });
});

test('one in force that cannot be read stops the start', async () => {
  const dataDir = await withThree();
  await writeFile(join(dataDir, tlsRing.folder, `since-${startSeconds + 1}`, 'tls.key'), 'random');
  await expect(openRotation(contextOf(dataDir))).rejects.toThrow('no key');
});

test('what a crash left of a key that was being destroyed is gone after the start', async () => {
  const dataDir = await withThree();
  const left = join(dataDir, tlsRing.folder, '.past-1700000000');
  await mkdir(left);
  await writeFile(join(left, 'tls.key'), 'random');
  await openRotation(contextOf(dataDir));
  expect((await readdir(join(dataDir, tlsRing.folder))).sort()).toEqual([
    `since-${startSeconds}`,
    `since-${startSeconds + 1}`,
  ]);
});
