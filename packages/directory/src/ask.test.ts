import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from './ask.ts';
import { deadUrl } from './testing/servers.ts';

const question = { timeoutMs: 10_000, signal: undefined, maxBytes: 1_000 };

test('why nobody answers is told in words', async () => {
  const dead = await ask(await deadUrl(), question);
  expect(dead).toEqual({ kind: 'unreachable', why: 'unreachable: nothing listens there (ECONNREFUSED)' });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('220 mail.test ESMTP\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const mail = await ask(`http://127.0.0.1:${port}`, question);
  expect(mail).toEqual({ kind: 'unreachable', why: 'unreachable: it answers, and not by HTTP' });
  const tls = await ask(`https://127.0.0.1:${port}`, question);
  expect(tls).toMatchObject({ kind: 'unreachable', why: expect.stringContaining('not by HTTPS') });
});
