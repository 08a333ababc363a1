import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Memory } from './memory.ts';
import { readOptions } from './options.ts';

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly progress: string;
}

/** `onProgress`: told of each piece on standard error. */
function run(args: readonly string[], onProgress?: (kill: () => void, text: string) => void): Promise<Ended> {
  const command = [
    '--expose-gc',
    '--conditions=@postern/source',
    join(import.meta.dirname, 'main.ts'),
    ...args,
  ];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, progress] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    progress += text;
    onProgress?.(() => child.kill('SIGINT'), text);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output, progress })));
}

describe('the command', () => {
  test('says what it does, and which targets there are', async () => {
    const { code, output } = await run(['--help']);
    expect(code).toBe(0);
    expect(output).toContain('--seconds N');
    expect(output).toContain('smtp-session');
  });

  test('refuses what it does not understand, and says how it is asked', async () => {
    const { code, progress } = await run(['--target', 'nobody']);
    expect(code).toBe(64);
    expect(progress).toContain('there is no target nobody');
    expect(progress).toContain('npm run fuzz');
  });

  test.each([
    [['--target', 'nobody'], 'there is no target nobody'],
    [['--seconds', 'x'], '--seconds and --jobs take numbers above 0'],
    [['--seconds', '0'], '--seconds and --jobs take numbers above 0'],
    [['--jobs', '0'], '--seconds and --jobs take numbers above 0'],
    [['--jobs', '1.5'], '--seconds and --jobs take numbers above 0'],
    [['somebody'], 'somebody is no option'],
    [['--minutes', '1'], expect.stringContaining('--minutes')],
  ])('%j is wrong', (args, wrong) => {
    expect(readOptions(['a', 'b'], args)).toEqual({ wrong });
  });

  test('takes all targets, or those that are named', () => {
    expect(readOptions(['a', 'b'], ['--jobs', '3', '--seed', 's'])).toEqual({
      seconds: 60,
      targets: ['a', 'b'],
      seed: 's',
      jobs: 3,
      keep: false,
    });
    expect(readOptions(['a', 'b'], ['--target', 'b', '--target', 'b'])).toMatchObject({ targets: ['b'] });
  });

  test('ends at SIGINT with the summary of what it did', async () => {
    const args = ['--seconds', '600', '--target', 'return-info', '--seed', 'command'];
    const { code, output, progress } = await run(args, (kill, text) => {
      if (/^[1-9]\d* executions/m.test(text)) kill();
    });
    expect(progress).toContain('seed command');
    expect(output).toMatch(/^return-info +[1-9]\d* +[1-9]\d* /m);
    expect(output).toContain('nothing found');
    expect(code).toBe(0);
  });
});

describe('memory that grows is told', () => {
  const mebi = 2 ** 20;

  test.each([
    ['a heap that grows to the end', [60, 62, 70, 90, 110, 130].map((size) => size * mebi), 1],
    ['one that settles', [60, 80, 82, 81, 82, 83].map((size) => size * mebi), 0],
    ['one that was looked at too seldom', [60, 200].map((size) => size * mebi), 0],
  ])('%s', (_, heap, sentences) => {
    expect(new Memory().judge([heap])).toHaveLength(sentences);
  });

  test('and so is resident memory', () => {
    const memory = new Memory();
    memory.minutes.push(300 * mebi, 310 * mebi, 500 * mebi);
    expect(memory.judge([])).toEqual(['resident memory grew from 300 MiB to 500 MiB']);
  });
});
