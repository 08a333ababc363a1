import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { Clock } from './clock.ts';
import { parseConfig } from './config.ts';
import { ExitCode } from './errors.ts';
import { exportMetrics, snapshotMs } from './exporter.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { metricsSection } from './metrics-config.ts';
import type { Random } from './random.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-metrics-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A quarter, for ever. */
const quarter: Random = { bytes: (length) => new Uint8Array(length).fill(0x40) };

/** Stands still until it is moved to the next time that somebody waits for. */
function steppedClock(): Clock & { next(ms?: number): Promise<number> } {
  let now = 1_000_000;
  let waiting: { untilMs: number; wake(): void } | undefined;
  return {
    now: () => now,
    wait: (untilMs, signal) =>
      new Promise((resolve, reject) => {
        waiting = { untilMs, wake: resolve };
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      }),
    async next(late = 0) {
      const { untilMs = now, wake } = waiting ?? {};
      const passed = untilMs - now;
      now = untilMs + late;
      waiting = undefined;
      wake?.();
      while (waiting === undefined) await new Promise((resolve) => setImmediate(resolve));
      return passed;
    },
  };
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function ask(to: object, { method = 'GET', path = '/metrics', host = 'localhost' } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...to, method, path, agent: false, headers: { host } }, (response) => {
      textOf(response).then((body) => resolve({ status: response.statusCode, body }), reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** A socket that nobody listens on any more: its process was killed. */
async function leaveSocket(path: string): Promise<void> {
  const program = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  await expect(promisify(execFile)(process.execPath, ['-e', program, path])).rejects.toMatchObject({
    signal: 'SIGKILL',
  });
  expect((await stat(path)).isSocket()).toBe(true);
}

function counting(): { metrics: Metrics; text: () => string } {
  let texts = 0;
  const current = (): string => `texts ${texts}\n`;
  const metrics = { text: async () => `texts ${++texts}\n` } as Metrics;
  return { metrics, text: current };
}

test('a snapshot is taken at the start, at a random moment of the first period, and once a period from then on', async () => {
  const clock = steppedClock();
  const { metrics } = counting();
  await using exporter = await exportMetrics({ metrics, clock, random: quarter });
  expect(exporter.text()).toBe('texts 1\n');
  expect(Math.abs((await clock.next()) - snapshotMs * 0.251)).toBeLessThan(snapshotMs * 0.001);
  expect(exporter.text()).toBe('texts 2\n');
  expect(await clock.next()).toBe(snapshotMs);
  expect(await clock.next(2.5 * snapshotMs)).toBe(snapshotMs);
  // However late, the next one comes at its own time.
  expect(await clock.next()).toBe(snapshotMs / 2);
  expect(exporter.text()).toBe('texts 5\n');
  // Nor does one wait for a day that has been taken back.
  await clock.next(-86_400_000);
  expect(await clock.next()).toBe(snapshotMs);
});

test('whoever asks gets the last snapshot, whatever was counted since, and asking changes nothing', async () => {
  const clock = steppedClock();
  const metrics = createMetrics(quarter);
  const counter = metrics.outcomes('postern_x_total', 'X.', ['a']);
  const listen = { host: '127.0.0.1', port: 0 };
  await using exporter = await exportMetrics({ metrics, listen, clock, random: quarter });
  const at = exporter.address as object;
  const before = await ask(at);
  for (let i = 0; i < 1_000; i++) counter.add('a');
  expect(await ask(at)).toEqual(before);
  expect(before.body).toContain('postern_x_total{outcome="a"} 0\n');
  await clock.next();
  expect((await ask(at)).body).toMatch(/^postern_x_total\{outcome="a"\} \d{3,4}$/m);
});

test('it serves GET /metrics and nothing else', async () => {
  const { metrics } = counting();
  const listen = { host: '127.0.0.1', port: 0 };
  await using exporter = await exportMetrics({ metrics, listen, clock: steppedClock(), random: quarter });
  const at = exporter.address as object;
  expect(await ask(at)).toEqual({ status: 200, body: 'texts 1\n' });
  for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
    expect(await ask(at, { method })).toMatchObject({ status: 404, body: '' });
  for (const path of ['/', '/status', '/metrics/', '/metrics/x', '//metrics', '/%'])
    expect((await ask(at, { path })).status).toBeGreaterThanOrEqual(400);
});

test('on a unix socket it is for owner and group, and takes the place of one that was left', async () => {
  const path = join(folder, 'metrics.sock');
  await leaveSocket(path);
  const { metrics } = counting();
  const options = { metrics, listen: { path }, clock: steppedClock(), random: quarter };
  {
    await using _exporter = await exportMetrics(options);
    expect((await stat(path)).mode & 0o777).toBe(0o660);
    expect(await ask({ socketPath: path })).toEqual({ status: 200, body: 'texts 1\n' });
  }
  await expect(ask({ socketPath: path })).rejects.toThrow('ENOENT');
});

test('the socket of a process that listens stays its own', async () => {
  const path = join(folder, 'metrics.sock');
  const [first, second] = [counting(), counting()];
  const options = { listen: { path }, clock: steppedClock(), random: quarter };
  await using _exporter = await exportMetrics({ ...options, metrics: first.metrics });
  await expect(exportMetrics({ ...options, metrics: second.metrics })).rejects.toMatchObject({
    exitCode: ExitCode.unavailable,
    message: `another process has the socket ${path}`,
    hint: expect.stringContaining(`ss -xlp | grep ${folder}/`),
  });
  expect(await ask({ socketPath: path })).toEqual({ status: 200, body: 'texts 1\n' });
  expect(await readdir(folder)).toEqual(['metrics.sock']);
});

test('what has come in the place of its socket stays when it ends', async () => {
  const path = join(folder, 'metrics.sock');
  const { metrics } = counting();
  const options = { metrics, listen: { path }, clock: steppedClock(), random: quarter };
  const first = await exportMetrics(options);
  await rm(path);
  await using _second = await exportMetrics(options);
  await first[Symbol.asyncDispose]();
  expect(await ask({ socketPath: path })).toMatchObject({ status: 200 });
});

test.each(['file', 'symbolic link'])(
  'a %s where the socket is to be stays as it is, and that is said',
  async (kind) => {
    const path = join(folder, 'identity.key');
    const at = kind === 'file' ? path : join(folder, 'metrics.sock');
    await writeFile(path, 'secret');
    if (at !== path) await symlink(path, at);
    const { metrics } = counting();
    await expect(
      exportMetrics({ metrics, listen: { path: at }, clock: steppedClock(), random: quarter }),
    ).rejects.toMatchObject({
      exitCode: ExitCode.unavailable,
      message: `${at} is there already, and is no socket`,
    });
    expect(await readFile(at, 'utf8')).toBe('secret');
  },
);

test('a port that is taken is said', async () => {
  await using server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const listen = { host: '127.0.0.1', port };
  const { metrics } = counting();
  await expect(
    exportMetrics({ metrics, listen, clock: steppedClock(), random: quarter }),
  ).rejects.toMatchObject({
    exitCode: ExitCode.unavailable,
    message: `metrics cannot be served on 127.0.0.1:${port}: EADDRINUSE`,
  });
});

const schema = z.strictObject({ metrics: metricsSection });
const parse = (metrics: object): unknown => parseConfig(schema, { metrics }, 'the file').metrics;

test.each([
  ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
  ['127.8.9.10:9464', { host: '127.8.9.10', port: 9464 }],
  ['[::1]:9464', { host: '::1', port: 9464 }],
  ['unix:/run/postern/metrics.sock', { path: '/run/postern/metrics.sock' }],
])('metrics may be served on %s', (listen, parsed) => {
  expect(parse({ listen })).toEqual({ listen: parsed });
});

test.each([
  '0.0.0.0:9464',
  '[::]:9464',
  '[::ffff:127.0.0.1]:9464',
  '192.0.2.1:9464',
  '10.0.0.1:9464',
  'localhost:9464',
  '127.0.0.1.example:9464',
])('metrics on %s are a mistake, unless they are said to be public', (listen) => {
  expect(() => parse({ listen })).toThrow(/metrics\.listen: is open to other machines/);
  expect(() => parse({ listen, public: false })).toThrow(/metrics\.listen/);
  expect(parse({ listen, public: true })).toHaveProperty('listen.port', 9464);
});

test.each(['9464', 'unix:metrics.sock', ''])('"%s" is no address for metrics', (listen) => {
  expect(() => parse({ listen, public: true })).toThrow('is no address for metrics');
});
