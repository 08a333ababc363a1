import { gzipSync } from 'node:zlib';
import { signParameters, writeGeometry } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { epochSeconds } from '../testing/clock.ts';
import { documentOf, type Library, mirror, openLibrary, others, ours } from '../testing/readers.ts';
import { deadUrl, text } from '../testing/servers.ts';
import type { DirectoryError } from './errors.ts';

const epoch = 1_000;

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

describe('a request', () => {
  test('carries nothing that tells one reader from another', async () => {
    const server = await library.serving((request, response) => {
      response.setHeader('etag', '"reader 17"').setHeader('set-cookie', 'reader=17');
      if (request.url?.includes('/diff/')) response.writeHead(404).end();
      else mirror(documentOf(epoch))(request, response);
    });
    const client = library.client([server.url]);
    const { digest } = await client.current();
    await client.refresh();
    const [first, tile, diff, second] = server.requests.map(({ method, url, headers }) => {
      const { host, connection, ...rest } = headers;
      expect([host, connection]).toEqual([new URL(server.url).host, 'keep-alive']);
      return { method, url, rest };
    });
    expect(first).toEqual({
      method: 'GET',
      url: '/v1/consensus',
      rest: {
        accept: '*/*',
        'accept-encoding': 'zstd, br, gzip',
        'accept-language': '*',
        'sec-fetch-mode': 'cors',
        'user-agent': 'postern',
      },
    });
    expect(tile).toEqual({ ...first, url: '/v1/log/tile/0/000.p/10' });
    expect(diff).toEqual({ ...first, url: `/v1/consensus/diff/${digest}` });
    // though a mirror may have put a line of its own under what it served before
    expect(second).toEqual(first);
  });

  test('A7 is answered by what is compressed once, and not more often', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const once = gzipSync(documentOf(epoch));
    const serve = (coding: string, body: Uint8Array): void => {
      server.answer = (request, response) => {
        if (request.url !== '/v1/consensus') return mirror(documentOf(epoch))(request, response);
        response.writeHead(200, { 'content-encoding': coding }).end(body);
      };
    };
    serve('gzip, gzip', gzipSync(once));
    await expect(library.client([server.url]).current()).rejects.toThrow('compressed more than once');
    serve('gzip', once);
    expect((await library.client([server.url]).current()).consensus.epoch).toBe(epoch);
  });

  test('is not answered by 304', async () => {
    const server = await library.serving((_request, response) => response.writeHead(304).end());
    await expect(library.client([server.url]).current()).rejects.toThrow('answered 304');
  });
});

describe('publish', () => {
  test('posts to all, and is content with one', async () => {
    const good = await library.serving(text('{}', 202));
    const bad = await library.serving(text('{"error":"full","message":"full\\u001b[31m"}', 503));
    const dead = await deadUrl();
    const { accepted, failed } = await library.client([dead, bad.url, good.url]).publish('descriptor');
    expect(accepted).toEqual([good.url]);
    expect(failed.map(({ url, detail }) => [url, detail])).toEqual([
      [dead, 'unreachable (ECONNREFUSED)'],
      [bad.url, 'answered 503 (full?[31m)'],
    ]);
    expect(good.requests[0]).toMatchObject({
      method: 'POST',
      url: '/v1/descriptors',
      headers: { 'content-type': 'text/plain' },
    });
  });

  test('tells who has refused it and why, and posts it to those alone that are given', async () => {
    const good = await library.serving(text('{}', 202));
    const busy = await library.serving(text('{"error":"too-often","message":"later"}', 429));
    const behind = await library.serving(text('{"error":"from-the-future","message":"no"}', 400));
    const strict = await library.serving(text('{"error":"not-allowed","message":"no"}', 403));
    const aMirror = await library.serving(text('{"error":"no-such-path"}', 404));
    const dead = await deadUrl();
    const client = library.client([good, busy, behind, strict, aMirror].map(({ url }) => url).concat(dead));
    const { failed } = await client.publish('descriptor');
    expect(failed.map(({ refusal }) => refusal)).toEqual([
      'too-often',
      'from-the-future',
      'not-allowed',
      undefined,
      undefined,
    ]);
    busy.answer = text('{}', 202);
    expect(await client.publish('descriptor', [busy.url, behind.url, dead])).toMatchObject({
      accepted: [busy.url],
      failed: [{ url: behind.url }, { url: dead }],
    });
    expect([good, busy, behind, strict, aMirror].map(({ requests }) => requests.length)).toEqual([
      1, 2, 2, 1, 1,
    ]);
  });

  test('fails when nobody accepts, and says why for each', async () => {
    const bad = await library.serving(text('<html>', 500));
    const dead = await deadUrl();
    await expect(library.client([dead, bad.url]).publish('descriptor')).rejects.toMatchObject({
      code: 'not-published',
      message: `no directory took the descriptor: ${dead}: unreachable (ECONNREFUSED); ${bad.url}: answered 500`,
    });
  });
});

describe('a refusal', () => {
  test.each([
    ['not-allowed', 'not-allowed'],
    ['made-up', undefined],
  ])('%s of a directory is named if there is such a one', async (error, refusal) => {
    const server = await library.serving(text(JSON.stringify({ error, message: 'no' }), 403));
    const refused = await library
      .client([server.url])
      .publish('descriptor')
      .catch((cause: unknown) => cause);
    expect(refused).toMatchObject({ code: 'not-published', untaken: [{ url: server.url }] });
    expect((refused as DirectoryError).untaken[0]?.refusal).toBe(refusal);
  });
});

describe('parameters', () => {
  const signedParameters = (signer: typeof ours): string =>
    signParameters(
      { version: 1, epochSeconds: 60, meanDelayMs: 5, geometry: writeGeometry(defaultGeometry) },
      [signer],
    );

  test('come from the first URL whose signature holds', async () => {
    const bad = await library.serving(text(signedParameters(others)));
    const good = await library.serving(text(signedParameters(ours)));
    expect(await library.client([bad.url, good.url]).parameters()).toMatchObject({
      epochSeconds: 60,
      meanDelayMs: 5,
    });
    await expect(library.client([bad.url]).parameters()).rejects.toMatchObject({
      code: 'too-few-signatures',
    });
  });

  test('come from the consensus once there is one', async () => {
    const server = await library.serving(mirror(documentOf(epoch)));
    const client = library.client([server.url]);
    await client.current();
    server.answer = text('down', 500);
    expect(await client.parameters()).toEqual({ epochSeconds, meanDelayMs: 200, geometry: defaultGeometry });
  });
});
