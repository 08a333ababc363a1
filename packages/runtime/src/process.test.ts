import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { readControl, serveControl } from './control.ts';
import { ExitCode, UserError } from './errors.ts';
import { aborted, runCommand } from './lifecycle.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('runCommand', () => {
  let shown = '';
  beforeEach(() => {
    shown = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      shown += String(text);
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
  });

  test('an error for the user becomes its message, its hint and its exit code', async () => {
    const failure = new UserError('no key', { exitCode: ExitCode.noPermission, hint: 'Make one.' });
    await runCommand({ name: 'postern', main: () => Promise.reject(failure) });
    expect(shown).toBe('postern: no key\n  Make one.\n');
    expect(process.exitCode).toBe(77);
  });

  test('any other error is a fault of the program', async () => {
    await runCommand({ name: 'postern', main: () => Promise.reject(new TypeError('oops')) });
    expect(shown).toContain('internal fault\nTypeError: oops');
    expect(process.exitCode).toBe(70);
  });

  test('SIGTERM lets the command drain and return', async () => {
    const running = runCommand({
      name: 'postern',
      main: async (stop) => {
        await aborted(stop);
        return 3;
      },
    });
    process.emit('SIGTERM');
    await running;
    expect(process.exitCode).toBe(3);
  });
});

test('the control socket answers its owner and says so when nothing listens', async () => {
  const socketPath = join(folder, 'control.sock');
  {
    await using _control = await serveControl({
      socketPath,
      status: async () => ({ epoch: 7 }),
      metrics: async () => 'x 1\n',
    });
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readControl(socketPath, '/status'))).toEqual({ epoch: 7 });
    expect(await readControl(socketPath, '/metrics')).toBe('x 1\n');
  }
  await expect(readControl(socketPath, '/status')).rejects.toMatchObject({ exitCode: ExitCode.unavailable });
});

test('metrics show every outcome from the start and nothing of the process', async () => {
  const metrics = createMetrics();
  const packets = metrics.outcomes('postern_packets_total', 'Packets by outcome.', ['relayed', 'refused']);
  packets.add('relayed');
  expect(await packets.values()).toEqual({ relayed: 1, refused: 0 });
  const series = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(series).toEqual([
    'postern_packets_total{outcome="relayed"} 1',
    'postern_packets_total{outcome="refused"} 0',
  ]);
});

test('a log line holds level, time, name, event and fields, and no host name', () => {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  createLog({ name: 'mix', destination }).info('started', { epoch: 3 });
  const line: unknown = JSON.parse(lines.join(''));
  expect(line).toEqual({ level: 'info', time: expect.any(String), name: 'mix', event: 'started', epoch: 3 });
});

test('waiting on the system clock ends with the signal', async () => {
  const stop = new AbortController();
  const waiting = systemClock.wait(systemClock.now() + 3_600_000, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow();
});
