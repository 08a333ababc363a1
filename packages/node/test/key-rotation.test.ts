import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { addNext, discardNext, promote, tlsRing } from '../src/keys/ring.ts';
import { openRotation } from '../src/rotation.ts';
import { fakeClock, until } from './support.ts';

const startSeconds = 1_800_000_000;

/** A data directory with three keys, the last of which is in force. */
async function withThree(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postern-rotation-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  await writeFile(join(dataDir, 'tls.key'), 'first');
  for (const [at, text] of ['second', 'third'].entries()) {
    const next = await addNext(dataDir, tlsRing, startSeconds, (dir) =>
      writeFile(join(dir, 'tls.key'), text),
    );
    await promote(dataDir, tlsRing, next, startSeconds + at);
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
  expect(rotation.isComplete()).toBe(false);
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

/** A node's keys, and what its listeners and its log were told. */
async function running(dataDir: string) {
  const errors: string[] = [];
  const context = contextOf(dataDir, errors);
  const rotation = await openRotation(context);
  const heard: string[][] = [];
  const texts = (): string[] => rotation.keys().previous.map(({ value }) => value);
  rotation.onChange(() => void heard.push(texts()));
  const loop = rotation.start({ mayPromote: () => true, mayForget: () => true });
  onTestFinished(() => loop.stop());
  const comes = (condition: () => boolean): Promise<void> =>
    until(async () => {
      await context.clock.advance(2_000);
      return condition();
    });
  return { rotation, heard, errors, texts, comes };
}

test('a key before that can be read again is there without a restart', async () => {
  const dataDir = await withThree();
  const path = join(dataDir, tlsRing.folder, `since-${startSeconds}`, 'tls.key');
  await rename(path, `${path}.hidden`);
  await mkdir(path);
  const { rotation, heard, texts, comes } = await running(dataDir);
  expect(texts()).toEqual(['first']);
  await rm(path, { recursive: true });
  await rename(`${path}.hidden`, path);
  await comes(() => rotation.isComplete());
  expect(texts()).toEqual(['second', 'first']);
  expect(heard).toEqual([['second', 'first']]);
});

test('one whose file is gone is missed all the same; what init made is gone without its file', async () => {
  const dataDir = await withThree();
  await rm(join(dataDir, tlsRing.folder, `since-${startSeconds}`, 'tls.key'));
  await rm(join(dataDir, 'tls.key'));
  const { rotation, errors, texts, comes } = await running(dataDir);
  expect(texts()).toEqual([]);
  expect(rotation.isComplete()).toBe(false);
  expect(errors).toHaveLength(1);
  await rm(join(dataDir, tlsRing.folder, `since-${startSeconds}`), { recursive: true });
  await comes(() => rotation.isComplete());
});

test('while the keys cannot be looked through they count as incomplete, and listeners hear when they can', async () => {
  const dataDir = await withThree();
  const { rotation, heard, texts, comes } = await running(dataDir);
  expect(rotation.isComplete()).toBe(true);
  const folder = join(dataDir, tlsRing.folder);
  await rename(folder, `${folder}.hidden`);
  await writeFile(folder, '');
  await comes(() => !rotation.isComplete());
  expect(texts()).toEqual(['second', 'first']);
  await rm(folder);
  await rename(`${folder}.hidden`, folder);
  await comes(() => rotation.isComplete());
  expect(heard).toEqual([['second', 'first']]);
});

test('one that is taken back, and another under its name, are told apart', async () => {
  const dataDir = await withThree();
  const { rotation, comes } = await running(dataDir);
  const at = startSeconds + 86_400;
  const next = (): string | undefined => rotation.keys().next?.value;
  const add = (text: string) => addNext(dataDir, tlsRing, at, (dir) => writeFile(join(dir, 'tls.key'), text));
  await add('fourth');
  await comes(() => next() === 'fourth');
  expect(await discardNext(dataDir, tlsRing)).toBe(true);
  await add('fifth');
  await comes(() => next() === 'fifth');
  expect(await discardNext(dataDir, tlsRing)).toBe(true);
  expect(await discardNext(dataDir, tlsRing)).toBe(false);
  await comes(() => next() === undefined);
  expect((await readdir(join(dataDir, tlsRing.folder))).filter((name) => !name.startsWith('since-'))).toEqual(
    [],
  );
});

test('what the conditions held for is put in force, and not what takes its place meanwhile', async () => {
  const dataDir = await withThree();
  const context = contextOf(dataDir);
  const rotation = await openRotation(context);
  await addNext(dataDir, tlsRing, startSeconds, (dir) => writeFile(join(dir, 'tls.key'), 'fourth'));
  const asked: string[] = [];
  const loop = rotation.start({
    mayPromote() {
      const { next } = rotation.keys();
      if (next === undefined) throw new Error('nothing is next');
      asked.push(next.value);
      if (next.value !== 'fourth') return false;
      // Taken back, and another made, as soon as it was looked at.
      rmSync(next.dir, { recursive: true });
      const other = join(dataDir, tlsRing.folder, `next-${startSeconds}-${'0'.repeat(16)}`);
      mkdirSync(other);
      writeFileSync(join(other, 'tls.key'), 'fifth');
      return true;
    },
    mayForget: () => false,
  });
  onTestFinished(() => loop.stop());
  await until(async () => {
    await context.clock.advance(2_000);
    return asked.length > 1;
  });
  expect(asked.slice(0, 2)).toEqual(['fourth', 'fifth']);
  expect(rotation.keys().current.value).toBe('third');
});
