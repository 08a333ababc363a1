import { once } from 'node:events';
import { createServer as createWebServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { ask } from './ask.ts';

test('why nothing can be asked is told in words', async () => {
  const mail = createServer((socket) => socket.on('error', () => {}).end('220 mix1.test ESMTP\r\n'));
  mail.listen(0, '127.0.0.1');
  await once(mail, 'listening');
  const { port } = mail.address() as AddressInfo;
  const why = async (url: string): Promise<string> => {
    const answer = await ask(url, { maxBytes: 1_000, timeoutMs: 10_000, signal: undefined });
    return answer.kind === 'unreachable' ? answer.why : answer.kind;
  };
  expect(await why(`http://127.0.0.1:${port}/`)).toBe('what answers there does not speak HTTP');
  expect(await why('http://127.0.0.1:9/')).toBe('unreachable (bad port)');
  // whoever has no resolver learns that instead
  expect(await why('http://nobody.invalid/')).toMatch(
    /^unreachable \((?:ENOTFOUND: there is no such name|EAI_AGAIN: the name could not be looked up)\)$/,
  );
  mail.close();
});

test('who answers is a name and a key id, or nobody', async () => {
  let says = '';
  const web = createWebServer((_, response) => response.setHeader('postern-authority', says).end());
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const { port } = web.address() as AddressInfo;
  const by = async (header: string): Promise<string | undefined> => {
    says = header;
    const question = { maxBytes: 1_000, timeoutMs: 10_000, signal: undefined };
    const answer = await ask(`http://127.0.0.1:${port}/`, question);
    return answer.kind === 'answer' ? answer.by : answer.kind;
  };
  expect(await by('directory.example+0123abcd')).toBe('directory.example+0123abcd');
  for (const other of [
    'directory.example',
    'a b+0123abcd',
    'a\x9b2J+0123abcd',
    `${'a'.repeat(256)}+0123abcd`,
  ])
    expect(await by(other)).toBeUndefined();
  web.close();
});
