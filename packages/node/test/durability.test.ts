import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createSmtpSender, makeCarriage, type SendResult, type SmtpPeer } from '@postern/mail';
import { systemClock, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { unit } from './spool-contract.ts';
import { until } from './support.ts';

let folder = '';
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-durable-'));
});
afterEach(async () => {
  await stops();
  await rm(folder, { recursive: true, force: true });
});

/** Starts the receiving stages behind `before`, a command that runs another. */
async function startReceiver(before: readonly string[], ...given: string[]): Promise<SmtpPeer> {
  const program = new URL('./receive-child.ts', import.meta.url).pathname;
  const node = [process.execPath, '--conditions=@postern/source', program, folder, ...given];
  const [command = '', ...rest] = [...before, ...node];
  // A process group of its own: what watches the receiver must not outlive it, nor it the watcher.
  child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  if (child.stdout === null) throw new Error('no standard output');
  for await (const line of createInterface(child.stdout)) {
    const [port, tlsPin = ''] = line.split(' ');
    return { host: '127.0.0.1', port: Number(port), tlsPin };
  }
  throw new Error('the receiver did not start');
}

async function send(peer: SmtpPeer, count = 1): Promise<SendResult[]> {
  await using sender = createSmtpSender({ ehloName: 'a.test' });
  return await Promise.all(
    Array.from({ length: count }, () =>
      sender.send(peer, {
        from: 'secure@a.test',
        to: 'secure@mix1.test',
        message: makeCarriage({
          fromDomain: 'a.test',
          toDomain: 'mix1.test',
          bytes: unit().bytes,
          now: new Date(),
          random: (length) => systemRandom.bytes(length),
        }),
      }),
    ),
  );
}

async function stored(): Promise<number> {
  await using spool = await openSqliteSpool({
    unitBytes: 32_768,
    path: join(folder, 'spool.sqlite'),
    clock: systemClock,
    random: systemRandom,
  });
  return (await spool.counts()).inputs;
}

async function stops(): Promise<void> {
  const { pid } = child ?? {};
  if (pid === undefined || child?.exitCode !== null || child.signalCode !== null) return;
  process.kill(-pid, 'SIGKILL');
  await until(() => child?.exitCode !== null || child.signalCode !== null);
}

test('what was answered with 250 is there after SIGKILL', async () => {
  const peer = await startReceiver([]);
  expect((await send(peer, 6)).map(({ kind }) => kind)).toEqual(Array(6).fill('sent'));
  await stops();
  expect(await stored()).toBe(6);
});

describe('Q3 a disk that takes no more', () => {
  test('with no room left on the disk the answer is 4yz, and nothing is stored', async () => {
    const peer = await startReceiver([], String(Number.MAX_SAFE_INTEGER));
    expect(await send(peer)).toEqual([{ kind: 'deferred', reason: 'busy', maybeDelivered: false }]);
    await stops();
    expect(await stored()).toBe(0);
  });

  // A file that must not grow is what a failing disk looks like: the write itself fails.
  test('when the disk fails in the middle of writing the answer is 4yz', async () => {
    const peer = await startReceiver(['prlimit', '--fsize=400000']);
    const results = await send(peer, 24);
    const sent = results.filter(({ kind }) => kind === 'sent').length;
    expect(sent).toBeLessThan(24);
    expect(new Set(results.map(({ kind }) => kind))).toContain('deferred');
    await stops();
    expect(await stored()).toBe(sent);
  });
});

const strace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

test.skipIf(!strace)('Q2 the journal is synced before the answer to the data is written', async () => {
  const trace = join(folder, 'trace');
  const calls = 'trace=pwrite64,fsync,fdatasync,write,writev,sendmsg,sendto';
  const peer = await startReceiver(['strace', '-f', '-y', '-s', '0', '-e', calls, '-o', trace]);
  expect(await send(peer)).toMatchObject([{ kind: 'sent' }]);
  await stops();
  const events = eventsIn(await readFile(trace, 'utf8'));
  const lastWrite = events.lastIndexOf('journal written');
  const answer = events.indexOf('socket written', lastWrite);
  expect(lastWrite).toBeGreaterThan(0);
  expect(answer).toBeGreaterThan(lastWrite);
  expect(events.slice(lastWrite, answer)).toContain('journal synced');
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
