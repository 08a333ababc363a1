import { once } from 'node:events';
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
