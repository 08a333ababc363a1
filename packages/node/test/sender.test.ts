import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createSender } from '../src/forward/sender.ts';
import { until } from './support.ts';

test('the sender has a connection for each hand-over that both roads let begin, and tells of others that they had none', async () => {
  const connections: Socket[] = [];
  const server = createServer((socket) => connections.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await using sender = createSender('mix.test', 4);
  const end = new AbortController();
  const mail = { from: '', to: 'secure@b.test', message: Buffer.from('x\r\n'), signal: end.signal };
  const peer = { host: '127.0.0.1', port, tls: { kind: 'opportunistic' } } as const;
  const results = Array.from({ length: 33 }, () => sender.send(peer, mail));
  await until(() => connections.length === 32);
  end.abort();
  const reasons = (await Promise.all(results)).map((result) => 'reason' in result && result.reason);
  expect(reasons).toEqual([...Array(32).fill('aborted'), 'crowded']);
  for (const socket of connections) socket.destroy();
  server.close();
});
