import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { SubmissionConfig } from '../account/settings.ts';
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
  expect(lines.at(-1)).toBe('postern: submitted 200 of 200, 6.6 MB');
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
  expect(written).toContain('submitted 200 of 200, 6.6 MB');
  expect(written.endsWith('\r\u001b[K')).toBe(true);
});

describe('a pause says who takes nothing, and why', () => {
  const server: SubmissionConfig = {
    kind: 'account',
    host: 'smtp.p.test',
    port: 587,
    implicitTls: false,
    tls: { kind: 'web', names: ['smtp.p.test'] },
    user: 'alice',
    password: { kind: 'ask' },
  };
  const away = { reason: 'unreachable', node: 'm1.test', packets: 2 } as const;
  const busy = { reason: 'busy', node: 'm2.test', packets: 1 } as const;

  test.each([
    ['one mix', [away], undefined, 'm1.test: nothing answers there'],
    ['several mixes', [away, busy], undefined, 'some first mixes do not take packets now'],
    [
      'a provider',
      [{ ...busy, node: 'smtp.p.test' }],
      server,
      'smtp.p.test (your provider): it takes none at the moment',
    ],
    [
      'nobody',
      [{ reason: 'no-consensus', node: '', packets: 1 }],
      undefined,
      'there is no valid consensus to look the first mix up in',
    ],
  ] as const)('%s', async (_who, waiting, of, said) => {
    const stderr = new PassThrough();
    const written = text(stderr);
    progressLine({ ...systemTerminal(), stderr, watched: false }, of).report({
      kind: 'pause',
      untilMs: Date.now(),
      waiting,
    });
    stderr.end();
    expect((await written).replace(/-?\d+ s\n$/, '')).toBe(`postern: ${said}; trying again in `);
  });
});
