import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../until.ts';
import { freePorts } from './ports.ts';
import { lastLines, runProgram, type Supervised, startProcess } from './process.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supervise-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a supervised process', () => {
  const startAuthority = async (
    restart: boolean,
    onStart: (pid: number) => void = () => undefined,
    onEnd: (end: string) => void = () => undefined,
  ): Promise<{ process: Supervised; port: number }> => {
    const [port = 0] = await freePorts(1);
    const config = join(folder, 'directory.toml');
    await runProgram('postern-directory', [
      'init',
      '--name',
      'authority.test',
      '--config',
      config,
      '--listen',
      `127.0.0.1:${port}`,
    ]);
    const options = { program: 'postern-directory', args: ['run', '--config', config], restart } as const;
    const log = join(folder, 'log');
    const process = await startProcess({
      ...options,
      name: 'authority.test',
      log,
      onStart,
      onEnd,
    });
    await serving(log, 1);
    return { process, port };
  };
  /** Waits until the log, over all starts, says so many times that it serves: its port is open before. */
  const serving = (log: string, times: number): Promise<boolean> =>
    until(async () => (await readFile(log, 'utf8')).split('"event":"serving"').length - 1 === times, {
      what: `it serves, start ${times}`,
    });
  const answers = async (port: number): Promise<void> => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  };

  test('is started again on its port after it was killed, and ends when told to', async () => {
    const pids: number[] = [];
    const known: (number | undefined)[] = [];
    let told: Supervised | undefined;
    const ends: string[] = [];
    const { process: supervised, port } = await startAuthority(
      true,
      (pid) => {
        pids.push(pid);
        known.push(told?.pid);
      },
      (end) => ends.push(end),
    );
    told = supervised;
    const first = supervised.pid;
    expect(supervised.kill()).toBe(true);
    await until(() => supervised.starts === 2, { what: 'it is started again' });
    await serving(supervised.log, 2);
    await answers(port);
    expect(supervised.pid).not.toBe(first);
    expect(pids).toEqual([first, supervised.pid]);
    // Whoever is told of a start and asks for the process finds the new one.
    expect(known).toEqual([undefined, supervised.pid]);
    expect(await supervised.stop()).toBe('exit 0');
    // Who orders a process to stop is not told that it did.
    expect(ends).toEqual(['SIGKILL']);
    expect(supervised.kill()).toBe(false);
    expect(() => process.kill(supervised.pid, 0)).toThrow('ESRCH');
    // One log over all starts.
    expect((await readFile(supervised.log, 'utf8')).match(/"event":"serving"/g)).toHaveLength(2);
  });

  test('stays down without restart, and says how it ended', async () => {
    const { process: supervised } = await startAuthority(false);
    supervised.kill();
    expect(await supervised.ended).toBe('SIGKILL');
    expect(supervised.starts).toBe(1);
  });

  test('leaves its complaint in the log', async () => {
    const log = join(folder, 'log');
    const args = ['run', '--config', join(folder, 'nothing.toml')];
    const supervised = await startProcess({
      name: 'x',
      program: 'postern-directory',
      args,
      log,
      restart: false,
    });
    expect(await supervised.ended).toMatch(/^exit [1-9]/);
    expect(await lastLines(supervised)).toMatch(/nothing\.toml/);
  });
});

test('a command that fails is an error with its complaint', async () => {
  await expect(runProgram('postern-node', ['init'])).rejects.toThrow(
    /postern-node init ended with 64: .*--name/s,
  );
});

test('free ports are different, free, and below those of outgoing connections', async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
  const [first = 0] = (await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'))
    .split(/\s+/)
    .map(Number);
  for (const port of ports) expect(port).toBeLessThan(Math.max(first, 11_264));
});
