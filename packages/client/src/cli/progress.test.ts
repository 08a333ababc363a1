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

test('a prefetch says at once how long it takes: a log once, a person all the time', async () => {
  for (const watched of [false, true]) {
    const stderr = new PassThrough();
    const written = text(stderr);
    const line = progressLine({ ...systemTerminal(), stderr, watched });
    for (const done of [0, 1]) line.waiting({ done, of: 2, nextMs: 1000 * done, lastMs: 1000 });
    line.end();
    stderr.end();
    const [at, last] = ['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:01.000Z'];
    expect(await written).toBe(
      watched
        ? `\r\u001b[Kasked for 0 of 2 domains; next at ${at}, last at ${last}\r\u001b[Kasked for 1 of 2 domains; next at ${last}, last at ${last}\r\u001b[K`
        : `postern: asks DNS for 2 domains, each at a time of its own, the last at ${last}\n`,
    );
  }
});

test('a person gets one line, which goes away', async () => {
  const written = await shown(true, 200);
  expect(written).not.toContain('\n');
  expect(written).toContain('submitted 200 of 200 packets, 6.6 MB');
  expect(written.endsWith('\r\u001b[K')).toBe(true);
});
