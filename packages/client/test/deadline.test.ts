import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Client, createClient } from '../src/index.ts';
import { steppedClock } from './clock.ts';
import { startNetwork } from './network.ts';
import { introduce, message, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);

interface Mute {
  readonly url: string;
  /** Somebody asks. */
  readonly asked: Promise<void>;
  /** And has gone away. */
  readonly left: Promise<void>;
}

/** A directory that takes every question and answers none. */
async function mute(): Promise<Mute> {
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server = createServer((request) => {
    asked.resolve();
    request.socket.once('close', () => left.resolve());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked: asked.promise, left: left.promise };
}

/** A client with a packet in its outbox, whose consensus has to be renewed, and whose directories are these. */
async function waiting(urls: readonly string[]): Promise<Client> {
  const network = await startNetwork({ now, mixesPerLayer: 1 });
  const alice = await person(network, 'alice@a.test', now);
  await introduce(network, alice, await person(network, 'bob@b.test', now));
  const toBob = message({ From: 'alice@a.test', To: 'bob@b.test' });
  expect(await alice.client.send(toBob, { timeoutMs: 0 })).toMatchObject({ pending: 1 });
  const config = network.config('alice@a.test');
  return createClient({
    paths: alice.client.paths,
    config: { ...config, directory: { ...config.directory, urls } },
    clock: steppedClock(network.consensus.freshUntil * 1000),
  });
}

const notTried = { submitted: 0, pending: 1, waiting: [{ reason: 'not-tried', packets: 1 }], held: [] };

test('a directory that does not answer holds nobody beyond the time to try', async () => {
  const [first, second] = [await mute(), await mute()];
  const client = await waiting([first.url, second.url]);
  expect(await client.flush({ timeoutMs: 100 })).toMatchObject(notTried);
  await Promise.race([first.asked, second.asked]);
  await client[Symbol.asyncDispose]();
  await Promise.race([first.left, second.left]);
});

test('nor beyond the signal to stop', async () => {
  const directory = await mute();
  const client = await waiting([directory.url]);
  const stop = new AbortController();
  void directory.asked.then(() => stop.abort());
  expect(await client.flush({ signal: stop.signal })).toMatchObject(notTried);
  await client[Symbol.asyncDispose]();
  await directory.left;
});
