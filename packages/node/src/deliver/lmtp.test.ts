import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLifetime } from '../lifetime.ts';
import { lmtp } from './lmtp.ts';

let folder = '';
let server: Server;
let spoken: string[] = [];
/** What the server answers to the data. */
let answer = '250 2.0.0 stored';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-lmtp-'));
  spoken = [];
  answer = '250 2.0.0 stored';
  server = createServer(converse);
  await new Promise<void>((resolve) => server.listen(join(folder, 'lmtp'), resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

/** An LMTP server of a few lines (RFC 2033). */
function converse(socket: Socket): void {
  let data = false;
  let rest = '';
  socket.write('220 mail.b.test LMTP\r\n');
  socket.on('error', () => undefined);
  socket.on('data', (part) => {
    const lines = (rest + part.toString('latin1')).split('\r\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      spoken.push(line);
      if (data && line !== '.') continue;
      const command = data ? '.' : (line.split(/[ :]/)[0] ?? '').toUpperCase();
      data = command === 'DATA';
      if (command === 'LHLO') socket.write('250-mail.b.test\r\n250 8BITMIME\r\n');
      else if (command === 'DATA') socket.write('354 go on\r\n');
      else if (command === '.') socket.write(`${answer}\r\n`);
      else if (command === 'QUIT') socket.end('221 bye\r\n');
      else socket.write('250 2.0.0 fine\r\n');
    }
  });
}

const put = async () => {
  const system = lmtp({
    to: { kind: 'lmtp', address: { path: join(folder, 'lmtp') } },
    ehlo: 'gate.b.test',
    domain: 'b.test',
    lifetime: createLifetime(systemClock, 1_000),
  });
  const bytes = Buffer.from('Subject: x\r\n\r\n.hello\r\n');
  const result = await system.put({ setId: 'ab', local: 'bob', bytes });
  await system.close();
  return result;
};

test('a message goes to its one mailbox, from nobody', async () => {
  expect(await put()).toEqual({ kind: 'delivered' });
  expect(spoken[0]).toBe('LHLO gate.b.test');
  expect(spoken[1]).toMatch(/^MAIL FROM:<>/);
  expect(spoken[2]).toMatch(/^RCPT TO:<bob@b\.test>/);
  expect(spoken.slice(spoken.indexOf('DATA') + 1, spoken.indexOf('.') + 1)).toEqual([
    'Subject: x',
    '',
    '..hello',
    '.',
  ]);
});

test('a temporary answer for the mailbox defers, a permanent one refuses', async () => {
  answer = '452 4.2.2 over quota';
  expect(await put()).toEqual({ kind: 'deferred', why: 'busy' });
  answer = '550 5.1.1 unknown';
  expect(await put()).toEqual({ kind: 'refused', failure: { status: '5.1.1', diagnostic: '550 5.1.1' } });
});

test('a mail system that is not there defers', async () => {
  await new Promise((resolve) => server.close(resolve));
  expect(await put()).toEqual({ kind: 'deferred', why: 'unreachable' });
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, 'other'), resolve));
});
