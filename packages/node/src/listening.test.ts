import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, ExitCode, silentLog, systemRandom } from '@postern/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificate, type TlsCertificate } from './keys/certificate.ts';
import { receive } from './receive/receive.ts';
import { type SubmitContext, submit } from './submit/submit.ts';

const stack = new AsyncDisposableStack();
let tls: TlsCertificate;
let taken: Endpoint;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-listening-'));
  stack.defer(() => rm(folder, { recursive: true }));
  tls = await createCertificate(folder, 'mix1.test', systemRandom);
  const server = stack.use(createServer().listen(0, '127.0.0.1'));
  await new Promise((resolve) => server.once('listening', resolve));
  taken = { host: '127.0.0.1', port: (server.address() as { port: number }).port };
});
afterAll(() => stack.disposeAsync());

const mail = (listen: Endpoint): Promise<unknown> => {
  const shared = { log: silentLog, counters: { count: () => undefined } as never, packetBytes: 32_768, tls };
  const own = { ehlo: 'mix1.test', domains: ['mix1.test'], isBehind: () => false };
  return receive({ ...shared, ...own, listen }, {});
};
let closed = 0;
const submission = (listen: Endpoint | undefined, listenTls: Endpoint | undefined): Promise<unknown> => {
  const authors = { judge: () => Promise.reject(new Error()), close: async () => void closed++ };
  const context = { log: silentLog, packetBytes: 32_768, tls, ehlo: 'mix1.test', authors, listen, listenTls };
  return submit(context as unknown as SubmitContext);
};

test.each([
  ['`listen` in [smtp]', () => mail(taken)],
  ['`listen` in [submission]', () => submission(taken, undefined)],
  ['`listen_tls` in [submission]', () => submission({ host: '127.0.0.1', port: 0 }, taken)],
])('a port that is taken is told with %s', async (setting, start) => {
  await expect(start()).rejects.toMatchObject({
    exitCode: ExitCode.unavailable,
    message: `mail cannot be taken on 127.0.0.1:${taken.port}: EADDRINUSE`,
    hint: `Another program has it: stop that, or have this one elsewhere. Correct ${setting}.`,
  });
});

test('an address that the machine lacks is told', async () => {
  await expect(mail({ host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
    exitCode: ExitCode.unavailable,
    message: 'mail cannot be taken on 192.0.2.1:0: EADDRNOTAVAIL',
    hint: 'This machine has no such address. Correct `listen` in [smtp].',
  });
});

test('who cannot submit leaves nothing open', () => expect(closed).toBe(2));
