import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { openAt } from './redis-spool.ts';
import { unit } from './spool-contract.ts';

const strace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

describe.skipIf(!haveRedis)('durable in Redis', () => {
  let folder = '';
  let server: RedisServer;
  let receiver: Receiver | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-durable-'));
    server = await startRedis(folder);
  });
  afterEach(async () => {
    await receiver?.kill();
    await server.stop();
  });
  const receive = async (): Promise<Receiver> => {
    const own = join(folder, 'receiver');
    await mkdir(own);
    return startReceiver([], own, '0', server.socket);
  };
  const stored = async (): Promise<number> => {
    await using spool = await openAt(server.socket);
    return (await spool.counts()).inputs;
  };

  test('what was answered with 250 is there after SIGKILL of the receiver and of Redis', async () => {
    receiver = await receive();
    expect((await receiver.send(6)).map(({ kind }) => kind)).toEqual(Array(6).fill('sent'));
    await receiver.kill();
    await server.kill();
    await server.start();
    expect(await stored()).toBe(6);
  });

  test('with Redis gone the answer is 4yz, and once it is back 250 again', async () => {
    receiver = await receive();
    await server.kill();
    expect(await receiver.send()).toEqual([{ kind: 'deferred', reason: 'busy', maybeDelivered: false }]);
    await server.start();
    let kind = '';
    while (kind !== 'sent') kind = (await receiver.send())[0]?.kind ?? '';
    await receiver.kill();
    expect(await stored()).toBe(1);
  });

  test.skipIf(!strace)('Redis answers nothing before its file is synced', async () => {
    const trace = join(folder, 'trace');
    const calls = 'trace=write,writev,fsync,fdatasync,sendto,sendmsg';
    await server.kill();
    await server.start(['strace', '-f', '-y', '-s', '0', '-e', calls, '-o', trace]);
    const spool = await openAt(server.socket);
    await Promise.all(Array.from({ length: 8 }, () => spool.accept(unit())));
    expect((await spool.claimInputs('packet', 8)).length).toBe(8);
    await spool.close();
    await server.kill();
    const events = eventsIn(await readFile(trace, 'utf8'));
    expect(events.filter((event) => event === 'synced').length).toBeGreaterThan(8);
    expect(events.filter((event) => event === 'answered').length).toBeGreaterThan(0);
    // Since the last sync nothing was written whenever an answer was.
    const early = events.filter((event, at) => event === 'answered' && unsyncedAt(events, at));
    expect(early).toEqual([]);
  });
});

function unsyncedAt(events: readonly string[], at: number): boolean {
  return events.lastIndexOf('written', at) > events.lastIndexOf('synced', at);
}

/** What a trace says about the append-only file and sockets, in the order of calls. */
function eventsIn(trace: string): string[] {
  return trace.split('\n').flatMap((line) => {
    const call = line.replace(/^\d+ +/, '');
    if (/^(write|writev|sendto|sendmsg)\(\d+<(UNIX|socket)/.test(call)) return ['answered'];
    if (!/\.aof>/.test(call)) return [];
    if (call.startsWith('write')) return ['written'];
    return /^f(data)?sync/.test(call) && call.endsWith(' = 0') ? ['synced'] : [];
  });
}
