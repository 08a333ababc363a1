import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { until } from './support.ts';

let folder = '';
let receiver: Receiver | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-durable-'));
});
afterEach(async () => {
  await receiver?.kill();
  await rm(folder, { recursive: true, force: true });
});

async function stored(): Promise<number> {
  await using spool = await openSqliteSpool({
    unitBytes: 32_768,
    path: join(folder, 'spool.sqlite'),
    clock: systemClock,
    random: systemRandom,
  });
  return (await spool.counts()).inputs;
}

test('what was answered with 250 is there after SIGKILL', async () => {
  receiver = await startReceiver([], folder);
  expect((await receiver.send(6)).map(({ kind }) => kind)).toEqual(Array(6).fill('sent'));
  await receiver.kill();
  expect(await stored()).toBe(6);
});

describe('Q3 a disk that takes no more', () => {
  test('with no room left on the disk the answer is 4yz, and nothing is stored', async () => {
    receiver = await startReceiver([], folder, String(Number.MAX_SAFE_INTEGER));
    expect(await receiver.send()).toEqual([{ kind: 'deferred', reason: 'busy', maybeDelivered: false }]);
    await receiver.kill();
    expect(await stored()).toBe(0);
  });

  // A file that must not grow is what a failing disk looks like: the write itself fails.
  test('when the disk fails in the middle of writing the answer is 4yz', async () => {
    receiver = await startReceiver(['prlimit', '--fsize=400000'], folder);
    const results = await receiver.send(24);
    const sent = results.filter(({ kind }) => kind === 'sent').length;
    expect(sent).toBeLessThan(24);
    expect(new Set(results.map(({ kind }) => kind))).toContain('deferred');
    await receiver.kill();
    expect(await stored()).toBe(sent);
  });
});

const strace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

test.skipIf(!strace)('Q2 the journal is synced before the answer to the data is written', async () => {
  const trace = join(folder, 'trace');
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev,sendmsg,sendto';
  receiver = await startReceiver(['strace', '-f', '-y', '-s', '0', '-e', calls, '-o', trace], folder);
  expect(await receiver.send()).toMatchObject([{ kind: 'sent' }]);
  await receiver.kill();
  const events = eventsIn(await readFile(trace, 'utf8'));
  const lastWrite = events.lastIndexOf('journal written');
  const answer = events.indexOf('socket written', lastWrite);
  expect(lastWrite).toBeGreaterThan(0);
  expect(answer).toBeGreaterThan(lastWrite);
  expect(events.slice(lastWrite, answer)).toContain('journal synced');
});

test.skipIf(!strace)('what was settled is synced while the spool is asked without a pause', async () => {
  const trace = join(folder, 'trace');
  const program = new URL('./sync-child.ts', import.meta.url).pathname;
  const given = [join(folder, 'spool.sqlite'), join(folder, 'settled')];
  const node = [process.execPath, '--conditions=@postern/source', program, ...given];
  const calls = ['-f', '-y', '-e', 'trace=mkdir,fsync,fdatasync', '-o', trace];
  const child = spawn('strace', [...calls, ...node], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  const synced = /mkdir\("[^"]*settled"[\s\S]*f(data)?sync\(\d+<[^>]*spool\.sqlite-wal>/;
  try {
    await until(async () => synced.test(await readFile(trace, 'utf8').catch(() => '')));
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await until(() => child.signalCode !== null || child.exitCode !== null);
  }
});

/** What a trace says about journal and sockets, in the order in which calls ended for files and began for sockets. */
function eventsIn(trace: string): string[] {
  const begun = new Map<string, string>();
  return trace.split('\n').flatMap((line) => {
    const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>/.test(rest);
    const call = resumed ? (begun.get(pid) ?? '') : rest;
    const unfinished = rest.endsWith('<unfinished ...>');
    if (unfinished) begun.set(pid, rest);
    if (/^(write|writev|sendmsg|sendto)\(\d+<(TCP|socket)/.test(call))
      return resumed ? [] : ['socket written'];
    if (unfinished || !/spool\.sqlite-wal>/.test(call)) return [];
    if (call.startsWith('pwrite64')) return ['journal written'];
    return /^f(data)?sync/.test(call) && rest.endsWith(' = 0') ? ['journal synced'] : [];
  });
}
