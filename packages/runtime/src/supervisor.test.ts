import { getEventListeners } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from './log.ts';
import { superviseBy, tellSupervisor } from './supervisor.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-supervised-'));
  // Stands for systemd-notify: writes down what it is to say, and to whom.
  const script = '#!/bin/sh\necho "$1" >> "$NOTIFY_SOCKET"\n';
  await writeFile(join(folder, 'systemd-notify'), script, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const told = async (): Promise<string[]> =>
  (await readFile(join(folder, 'told'), 'utf8')).trimEnd().split('\n');

test.each([
  ['nobody', {}, undefined],
  ['systemd', { NOTIFY_SOCKET: '/s' }, { socket: '/s' }],
  ['its watchdog', { NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '1500' }, { socket: '/s', watchdogMs: 1.5 }],
  [
    'its watchdog by name',
    { NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '1500', WATCHDOG_PID: '7' },
    { socket: '/s', watchdogMs: 1.5 },
  ],
  ['that of another', { NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '1500', WATCHDOG_PID: '8' }, { socket: '/s' }],
])('a process is supervised by %s', (_, env, found) => {
  expect(superviseBy(env, 7)).toEqual(found);
});

test('that it lives is said while it does its work, and at no other time', async () => {
  let asked = 0;
  let works = false;
  const by = { socket: join(folder, 'told'), watchdogMs: 20 };
  const alive = async (): Promise<void> => {
    asked += 1;
    if (!works) throw new Error('the spool is gone');
  };
  const supervised = await tellSupervisor({ by, log: silentLog, alive });
  await vi.waitFor(() => expect(asked).toBeGreaterThan(3));
  expect(await told()).toEqual(['READY=1']);
  works = true;
  await vi.waitFor(async () => expect(await told()).toContain('WATCHDOG=1'));
  await supervised[Symbol.asyncDispose]();
  const said = await told();
  expect([said[0], said.at(-1)]).toEqual(['READY=1', 'STOPPING=1']);
  expect(said.slice(1, -1).every((each) => each === 'WATCHDOG=1')).toBe(true);
});

test('however often it says that it lives, nothing more waits for its stop', async () => {
  const listens = vi.spyOn(AbortSignal.prototype, 'addEventListener');
  onTestFinished(() => listens.mockRestore());
  let asked = 0;
  const alive = async (): Promise<void> => {
    asked += 1;
  };
  const by = { socket: join(folder, 'told'), watchdogMs: 20 };
  await using _supervised = await tellSupervisor({ by, log: silentLog, alive });
  await vi.waitFor(() => expect(asked).toBeGreaterThan(8), { timeout: 10_000 });
  const signals = new Set(listens.mock.contexts as AbortSignal[]);
  const waiting = [...signals].flatMap((signal) => getEventListeners(signal, 'abort'));
  // One for its pause, one for the beat at hand.
  expect(waiting.length).toBeLessThanOrEqual(2);
});

test('work that hangs is not said to go on, and does not keep the process from stopping', async () => {
  let asked = 0;
  const by = { socket: join(folder, 'told'), watchdogMs: 20 };
  const alive = (): Promise<never> => {
    asked += 1;
    return new Promise(() => undefined);
  };
  const supervised = await tellSupervisor({ by, log: silentLog, alive });
  await vi.waitFor(() => expect(asked).toBe(1));
  await supervised[Symbol.asyncDispose]();
  expect(await told()).toEqual(['READY=1', 'STOPPING=1']);
});

test('without systemd, or with one that cannot be told, it runs all the same', async () => {
  const alive = async (): Promise<void> => undefined;
  await using _unsupervised = await tellSupervisor({ by: undefined, log: silentLog, alive });
  await rm(join(folder, 'systemd-notify'));
  vi.stubEnv('PATH', folder);
  const warnings: unknown[] = [];
  const log = { ...silentLog, warn: (...said: unknown[]) => void warnings.push(said) };
  await using _supervised = await tellSupervisor({ by: { socket: '/nowhere' }, log, alive });
  expect(warnings).toEqual([['systemd could not be told', { what: 'READY=1', code: 'ENOENT' }]]);
});
