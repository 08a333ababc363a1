import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { encodeBase64 } from '@postern/protocol/codec';
import { type Descriptor, epochAt, keyEpochsPublished, signDescriptor } from '@postern/protocol/consensus';
import { generateMixKey } from '@postern/protocol/packet';
import { ed25519, sha256 } from '@postern/protocol/primitives';
import type { Clock, Log, LogFields, Random } from '@postern/runtime';
import { type AuthorityConfig, parseAuthorityConfig } from './config.ts';

// What the tests of this package share: a clock of their own, nodes, an authority's configuration, servers that misbehave.

export const epochSeconds = 3_600;
/** Milliseconds: one minute into epoch 1000. */
export const start: number = 1_000 * epochSeconds * 1_000 + 60_000;

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #now: number;
  readonly #waiting = new Set<{ until: number; wake(): void }>();

  constructor(now: number = start) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wait(until: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (until <= this.#now) return resolve();
      const waiting = { until, wake: resolve };
      this.#waiting.add(waiting);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  moveTo(ms: number): void {
    this.#now = ms;
    for (const waiting of this.#waiting) {
      if (waiting.until > ms) continue;
      this.#waiting.delete(waiting);
      waiting.wake();
    }
  }

  advance(ms: number): void {
    this.moveTo(this.#now + ms);
  }
}

/** The same bytes in every run. */
export function seeded(seed: string): Random {
  let count = 0;
  return {
    bytes(length) {
      const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
        sha256(Buffer.from(`${seed} ${count++}`)),
      );
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}

/** One public key serves all: making them takes longer than what is tested. */
const mixKey = encodeBase64(generateMixKey(seeded('mix key')).publicKey);

/** A node that signs what it says of itself at a time, milliseconds. */
export function signedNode(
  name: string,
  now: number,
  change: Partial<Descriptor> = {},
  seedName: string = name,
): string {
  const seed = seeded(seedName).bytes(32);
  const published = Math.floor(now / 1_000);
  const descriptor: Descriptor = {
    version: 1,
    name,
    roles: ['mix'],
    identityKey: encodeBase64(ed25519.publicKey(seed)),
    smtp: { host: '127.0.0.1', port: 2525 },
    tlsPin: 'ab'.repeat(32),
    family: '',
    domains: [],
    mixKeys: keyEpochsPublished(epochAt(published, epochSeconds)).map((epoch) => ({ epoch, key: mixKey })),
    published,
    ...change,
  };
  return signDescriptor(descriptor, seed);
}

export function signedGateway(name: string, now: number, domains: readonly string[]): string {
  return signedNode(name, now, { roles: ['delivery'], domains, mixKeys: [] });
}

export function configFor(dataDir: string, change: object = {}): AuthorityConfig {
  return parseAuthorityConfig({
    name: 'authority1.test',
    data_dir: dataDir,
    listen: '127.0.0.1:0',
    bootstrap: { nodes: 3 },
    ...change,
  });
}

export interface Logged {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields | undefined;
}

/** A log that keeps what it is told. */
export function keepingLog(): { log: Log; lines: Logged[] } {
  const lines: Logged[] = [];
  const at = (level: string) => (event: string, fields?: LogFields) =>
    void lines.push({ level, event, fields });
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: IncomingMessage[];
  /** What it does from now on. */
  answer: RequestListener;
}

/** A server of whatever one likes. */
export async function serve(answer: RequestListener): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const http = createServer((request, response) => {
    requests.push(request);
    server.answer(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const server: TestServer = {
    url: `http://127.0.0.1:${port}`,
    requests,
    answer,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}

/** Serves a text with a status. */
export function text(body: string, status = 200): RequestListener {
  return (_request, response) => response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
}
