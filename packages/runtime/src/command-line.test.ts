import { beforeEach, expect, test, vi } from 'vitest';
import { commandLine, runCommandLine } from './command-line.ts';
import { ExitCode } from './errors.ts';
import { version } from './version.ts';

beforeEach(() => {
  const silent = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockReturnValue(true),
  );
  return () => {
    for (const spy of silent) spy.mockRestore();
  };
});

function run(args: readonly string[], action: () => Promise<void> = async () => undefined): Promise<number> {
  const program = commandLine('example', 'An example.');
  program.command('go').requiredOption('--to <place>').action(action);
  return runCommandLine(program, args);
}

test.each([[['--help']], [['help']], [['go', '--help']]])(
  '%j shows help, and that is no mistake',
  async (args) => {
    expect(await run(args)).toBe(ExitCode.ok);
  },
);

test('--version says which release it is', async () => {
  expect(await run(['--version'])).toBe(ExitCode.ok);
  expect(process.stdout.write).toHaveBeenCalledExactlyOnceWith(`${version}\n`);
});

test.each([[[]], [['stay']], [['go']], [['go', '--from', 'x']]])('%j is wrong use', async (args) => {
  expect(await run(args)).toBe(ExitCode.usage);
});

test('an action is waited for', async () => {
  const done: string[] = [];
  const action = async (): Promise<void> => {
    await Promise.resolve();
    done.push('gone');
  };
  expect(await run(['go', '--to', 'x'], action)).toBe(ExitCode.ok);
  expect(done).toEqual(['gone']);
});

test('what an action throws comes through', async () => {
  const fault = new TypeError('oops');
  await expect(run(['go', '--to', 'x'], () => Promise.reject(fault))).rejects.toBe(fault);
});
