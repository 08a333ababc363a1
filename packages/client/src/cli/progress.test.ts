import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { progressLine } from './progress.ts';
import { systemTerminal } from './terminal.ts';

async function shown(watched: boolean, of: number): Promise<string> {
  const stderr = new PassThrough();
  const written = text(stderr);
  const line = progressLine({ ...systemTerminal(), stderr, watched });
  for (let done = 1; done <= of; done++) line.report({ kind: 'submitted', done, of, bytes: done * 32_768 });
  line.end();
  stderr.end();
  return written;
}

test('a short message is done without a word', async () => {
  expect(await shown(true, 3)).toBe('');
  expect(await shown(false, 3)).toBe('');
});

test('a log gets a line for each tenth', async () => {
  const lines = (await shown(false, 200)).trimEnd().split('\n');
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toBe('postern: submitted 200 of 200 packets, 6.6 MB');
});

test('a person gets one line, which goes away', async () => {
  const written = await shown(true, 200);
  expect(written).not.toContain('\n');
  expect(written).toContain('submitted 200 of 200 packets, 6.6 MB');
  expect(written.endsWith('\r\u001b[K')).toBe(true);
});
