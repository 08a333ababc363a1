import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { TlsCertificate } from '../src/keys/certificate.ts';
import { createPolicyFetch } from '../src/policy-fetch.ts';
import { makeCertificate } from './peers.ts';

/** The web server of a domain's policies, with a certificate that everybody trusts for that name alone. */
const host = 'mta-sts.b.test';
const authorities = getCACertificates('default');
let identity: TlsCertificate;
let server: Server;
let seen: string[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  identity = await makeCertificate(host);
  server = createServer(identity, (request, response) => {
    const { servername } = request.socket as TLSSocket & { servername?: string };
    seen.push(`${String(servername)} ${request.headers.host ?? ''} ${request.url ?? ''}`);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(() => {
  seen = [];
  setDefaultCACertificates([identity.cert]);
});
afterAll(() => {
  setDefaultCACertificates(authorities);
  server.closeAllConnections();
  server.close();
});

const port = (): number => (server.address() as AddressInfo).port;
const get = (name: string, addresses: readonly string[], signal = new AbortController().signal) => {
  const fetch = createPolicyFetch(async () => addresses);
  return fetch(`https://${name}:${port()}/.well-known/mta-sts.txt`, { redirect: 'error', signal });
};
const text = async (body: ReadableStream<Uint8Array> | null): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

test('asks at the addresses that it is given, in the name of the host', async () => {
  answer = (_, response) => response.setHeader('content-type', 'text/plain').end('version: STSv1');
  const found = await get(host, ['127.0.0.1']);
  expect(found).toMatchObject({ status: 200 });
  expect(found.headers.get('content-type')).toBe('text/plain');
  expect(await text(found.body)).toBe('version: STSv1');
  expect(seen).toEqual([`${host} ${host}:${port()} /.well-known/mta-sts.txt`]);
});

test('follows no redirect', async () => {
  answer = (_, response) => response.writeHead(302, { location: `https://${host}:${port()}/else` }).end();
  expect(await get(host, ['127.0.0.1'])).toMatchObject({ status: 302 });
  expect(seen).toHaveLength(1);
});

test('asks nobody who has no certificate for the host, and nobody without an address', async () => {
  await expect(get('mta-sts.c.test', ['127.0.0.1'])).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
  await expect(get(host, [])).rejects.toThrow('no address');
  setDefaultCACertificates(authorities);
  await expect(get(host, ['127.0.0.1'])).rejects.toMatchObject({
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
  expect(seen).toEqual([]);
});

test('breaks off as it is told, before an answer and within one', async () => {
  for (const begun of [false, true]) {
    const ending = new AbortController();
    const asked = Promise.withResolvers<void>();
    answer = (_, response) => {
      if (begun) response.write('version: ');
      asked.resolve();
    };
    const found = get(host, ['127.0.0.1'], ending.signal).then(({ body }) => text(body));
    await asked.promise;
    ending.abort();
    await expect(found).rejects.toThrow(/abort/i);
  }
});
