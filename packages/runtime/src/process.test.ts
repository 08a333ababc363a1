import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { callControl, readControl, serveControl } from './control.ts';
import { ExitCode, UserError } from './errors.ts';
import { createLog } from './log.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('runCommand', () => {
  function command(main: string, more = ''): ReturnType<typeof spawn> {
    const lifecycle = JSON.stringify(import.meta.resolve('./lifecycle.ts'));
    const errors = JSON.stringify(import.meta.resolve('./errors.ts'));
    const program = `
      import { aborted, runCommand } from ${lifecycle};
      import { UserError } from ${errors};
      await runCommand({ name: 'postern', main: ${main}, ${more} });`;
    return spawn(process.execPath, ['--input-type=module', '--eval', program]);
  }

  async function ended(child: ReturnType<typeof spawn>): Promise<{ code: unknown; shown: string }> {
    let shown = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
    });
    const [code] = await once(child, 'close');
    return { code, shown };
  }

  test('an error for the user becomes its message, its hint and its exit code', async () => {
    const main = `() => Promise.reject(new UserError('no key', { exitCode: 77, hint: 'Make one.' }))`;
    expect(await ended(command(main))).toEqual({ code: 77, shown: 'postern: no key\n  Make one.\n' });
  });

  test('its code is shown where the program shows codes', async () => {
    const main = `() => Promise.reject(new UserError('no key', { code: 'no-key', hint: 'Make one.' }))`;
    const shown = 'postern: no key [no-key]\n  Make one.\n';
    expect(await ended(command(main, 'codes: true'))).toEqual({ code: 1, shown });
    expect((await ended(command(main))).shown).toBe('postern: no key\n  Make one.\n');
  });

  test('who reads no more of what it writes is no fault', async () => {
    const main = `async () => {
      await new Promise((resolve) => process.stdin.once('end', resolve).resume());
      process.stdout.write('what nobody reads');
    }`;
    const child = command(main);
    const ending = ended(child);
    child.stdout?.once('close', () => child.stdin?.end()).destroy();
    expect(await ending).toEqual({ code: 0, shown: '' });
  });

  test('any other error is a fault of the program and shows where', async () => {
    const { code, shown } = await ended(command(`() => Promise.reject(new TypeError('oops'))`));
    expect(code).toBe(70);
    expect(shown).toMatch(/^postern: internal fault\nTypeError: oops\n\s+at /);
  });

  describe('what its user may not do', () => {
    /** As a user who is not root, in a folder that is theirs to enter alone. */
    const asSomebody = (work: string): ReturnType<typeof spawn> =>
      command(`async () => {
        const { makePrivateDirectory, writeFileDurable } = await import(${JSON.stringify(import.meta.resolve('./files.ts'))});
        const { readControl } = await import(${JSON.stringify(import.meta.resolve('./control.ts'))});
        if (process.geteuid() === 0) {
          process.setgid(65534);
          process.setuid(65534);
        }
        await ${work};
      }`);

    beforeEach(() => chmod(folder, 0o555));
    afterEach(() => chmod(folder, 0o755));

    test('is told in a sentence, with what to type: a folder', async () => {
      const path = join(folder, 'data');
      const { code, shown } = await ended(asSomebody(`makePrivateDirectory(${JSON.stringify(path)})`));
      expect(shown).toMatch(
        /^postern: \S+ may not make the folder .*\(EACCES\)\n {2}Choose another, or .*\n$/,
      );
      expect(shown).toMatch(new RegExp(`: sudo install -d -o \\S+ -m 700 ${path}\n$`));
      expect(code).toBe(77);
    });

    test('and a process that another user runs, of which it is not known whether it runs', async () => {
      await chmod(folder, 0o700);
      const path = join(folder, 'control.sock');
      const asking = `readControl(${JSON.stringify(path)}, '/status')`;
      // whoever runs the test may enter their own folder
      if (process.geteuid?.() !== 0) await chmod(folder, 0);
      const { code, shown } = await ended(asSomebody(asking));
      expect(shown).toMatch(new RegExp(`^postern: \\S+ may not use ${path} \\(EACCES\\)\n {2}Whether .*\n$`));
      expect(shown).toContain(`sudo -u "$(stat -c %U ${folder})"`);
      expect(code).toBe(77);
    });

    test('and a file, by the name that it is to have', async () => {
      const path = join(folder, 'node.toml');
      const { code, shown } = await ended(asSomebody(`writeFileDurable(${JSON.stringify(path)}, '')`));
      expect(shown).toMatch(new RegExp(`^postern: \\S+ may not use ${path} \\(EACCES\\)\n`));
      expect(shown).toContain(`sudo -u "$(stat -c %U ${folder})"`);
      expect(code).toBe(77);
    });
  });

  test('what is there already, is missing, or of another kind is told in a sentence, by its path', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const files = `await import(${JSON.stringify(import.meta.resolve('./files.ts'))})`;
    const secrets = `await import(${JSON.stringify(import.meta.resolve('./secret-file.ts'))})`;
    const at = (path: string): string => JSON.stringify(path);
    const cases: [string, string][] = [
      [`(${files}).makePrivateDirectory(${at(file)})`, `${file} is there already, and is no folder (EEXIST)`],
      [
        `(${files}).makePrivateDirectory(${at(join(file, 'sub'))})`,
        `${join(file, 'sub')} leads through something that is no folder (ENOTDIR)`,
      ],
      [`(${files}).writeFileDurable(${at(folder)}, '')`, `${folder} is a folder, not a file (EISDIR)`],
      [`(${secrets}).readSecretFile(${at(folder)}, 'it')`, `${folder} is a folder, not a file (EISDIR)`],
      [`(${secrets}).readSecretFileSync(${at(folder)}, 'it')`, `${folder} is a folder, not a file (EISDIR)`],
      [
        `(${secrets}).readSecretFile(${at(join(folder, 'none'))}, 'it')`,
        `there is no ${folder}/none (ENOENT)`,
      ],
    ];
    for (const [work, message] of cases) {
      const { code, shown } = await ended(command(`async () => { await ${work}; }`));
      expect(shown.split('\n')).toEqual([
        `postern: ${message}`,
        expect.stringMatching(/^ {2}[A-Z].*\.$/),
        '',
      ]);
      expect(code).toBe(1);
    }
  });

  test('a full disk is told by the file that has no room', async () => {
    const main = `() => Promise.reject(Object.assign(new Error('x'), { code: 'ENOSPC', path: '/data/key', syscall: 'write' }))`;
    expect(await ended(command(main))).toEqual({
      code: ExitCode.unavailable,
      shown:
        'postern: there is no room for /data/key (ENOSPC)\n  Make room, or choose another place: df -h /data\n',
    });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('%s lets the command drain and return', async (signal) => {
    const child = command(`async (stop) => {
      const work = setInterval(() => {}, 1_000);
      console.log('up');
      await aborted(stop);
      clearInterval(work);
      return 3;
    }`);
    const ending = ended(child);
    if (child.stdout === null) throw new Error('no standard output');
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await ending).toEqual({ code: 3, shown: '' });
  });
});

test('the control socket answers its owner and says so when nothing listens', async () => {
  const socketPath = join(folder, 'control.sock');
  {
    await using _control = await serveControl({
      socketPath,
      status: async () => ({ epoch: 7 }),
      metrics: () => 'x 1\n',
    });
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readControl(socketPath, '/status'))).toEqual({ epoch: 7 });
    expect(await readControl(socketPath, '/metrics')).toBe('x 1\n');
  }
  await expect(readControl(socketPath, '/status')).rejects.toMatchObject({ exitCode: ExitCode.unavailable });
});

test('a fault of the process comes through its control socket, and any other error does not', async () => {
  const socketPath = join(folder, 'control.sock');
  const hint = 'See whether it runs.';
  const lost = new UserError('the spool failed', { code: 'spool-io', hint, exitCode: ExitCode.noPermission });
  await using _control = await serveControl({
    socketPath,
    status: () => Promise.reject(lost),
    metrics: () => 'x 1\n',
    calls: { '/call': () => Promise.reject(new Error('what nobody is told')) },
  });
  const told = { message: 'the spool failed', code: 'spool-io', hint, exitCode: ExitCode.noPermission };
  await expect(readControl(socketPath, '/status')).rejects.toMatchObject(told);
  await expect(callControl(socketPath, '/call')).rejects.toMatchObject({
    message: `the process answered 500 on ${socketPath}`,
    exitCode: ExitCode.failure,
  });
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
  await expect(waiting).rejects.toThrow('abort');
});

describe('waiting on the system clock while somebody sets it', () => {
  const hourMs = 3_600_000;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
    return () => vi.useRealTimers();
  });

  const begin = (): { ended(): boolean } => {
    let ended = false;
    void systemClock.wait(systemClock.now() + hourMs).then(() => {
      ended = true;
    });
    return { ended: () => ended };
  };

  test.each([0, -24 * hourMs, -1])('by %i ms: it ends when its time has passed', async (ms) => {
    const waiting = begin();
    await vi.advanceTimersByTimeAsync(hourMs / 2);
    vi.setSystemTime(Date.now() + ms);
    await vi.advanceTimersByTimeAsync(hourMs / 2 - 1_000);
    expect(waiting.ended()).toBe(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(waiting.ended()).toBe(true);
  });

  test('ahead: it ends within a minute', async () => {
    const waiting = begin();
    await vi.advanceTimersByTimeAsync(1_000);
    vi.setSystemTime(Date.now() + hourMs);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(waiting.ended()).toBe(true);
  });
});
