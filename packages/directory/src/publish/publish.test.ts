import { createHash } from 'node:crypto';
import { applyDiff, parseAuthorityKey, verifyCertificate } from '@postern/protocol/consensus';
import { systemRandom } from '@postern/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunningAuthority } from '../authority.ts';
import { certify } from '../keys/certify.ts';
import { identityPath, readPrivateKey } from '../keys/identity.ts';
import { type Bench, consensusOf, get, issued, openBench, post, register } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedGateway, signedNode } from '../testing/nodes.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

/** An authority of which nothing that is asked, and nothing that it refuses, leaves a trace. */
let idle: { bench: Bench; authority: RunningAuthority };
beforeAll(async () => {
  const opened = await openBench();
  idle = { bench: opened, authority: await opened.run() };
});
afterAll(() => idle.bench[Symbol.asyncDispose]());

describe('POST /v1/descriptors', () => {
  const past = (seconds: number): { published: number } => ({ published: start / 1_000 - seconds });
  const refusals: [string, number, () => string][] = [
    ['malformed', 400, () => 'x'],
    ['malformed', 400, () => ''],
    ['unknown-version', 400, () => signedNode('mix9.test', start).replace('/v1', '/v2')],
    ['bad-signature', 400, () => signedNode('mix9.test', start).replace('"port":2525', '"port":2526')],
    [
      'bad-certificate',
      400,
      () => signedNode('mix9.test', start).replace('"validAfter\\":', '"validAfter\\":1'),
    ],
    ['oversized', 413, () => 'x'.repeat(40_000)],
    ['oversized', 413, () => 'x'.repeat(70_000)],
    ['from-the-future', 400, () => signedNode('mix9.test', start, past(-121))],
    ['too-old', 400, () => signedNode('mix9.test', start, past(2 * epochSeconds + 61))],
    ['not-newer', 409, () => signedNode('mix1.test', start, past(1))],
    ['not-newer', 409, () => signedNode('mix1.test', start, { family: 'other' })],
    ['name-taken', 409, () => signedNode('mix1.test', start, {}, 'another key')],
    ['domain-taken', 409, () => signedGateway('other.test', start, ['a.test', 'b.test'])],
  ];
  describe('refuses', () => {
    let holding: Bench;
    let authority: RunningAuthority;
    beforeAll(async () => {
      holding = await openBench();
      authority = await holding.run();
      await register(authority, start, 'mix1.test');
      await post(authority, signedGateway('gateway.b.test', start, ['b.test']));
    });
    afterAll(() => holding[Symbol.asyncDispose]());

    test.each(refusals)('as %s with %i', async (error, status, text) => {
      expect(await post(authority, text())).toEqual({ status, error });
      expect(authority.status().registered).toBe(2);
    });
  });

  test('takes a descriptor at the bounds of time', async () => {
    const authority = await bench.run();
    expect(await post(authority, signedNode('a.test', start, past(-120)))).toMatchObject({ status: 202 });
    expect(await post(authority, signedNode('b.test', start, past(2 * epochSeconds + 60)))).toMatchObject({
      status: 202,
    });
  });

  test('takes the same descriptor again, and a newer one in its place', async () => {
    const authority = await bench.run();
    const first = await post(authority, signedNode('mix1.test', start));
    expect(first).toEqual({ status: 202, id: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await post(authority, signedNode('mix1.test', start))).toEqual(first);
    expect(
      await post(authority, signedNode('mix1.test', start, { ...past(-1), name: 'renamed.test' })),
    ).toEqual(first);
    expect(authority.status().registered).toBe(1);
    expect(await post(authority, signedNode('mix1.test', start, {}, 'another key'))).toMatchObject({
      status: 202,
    });
  });

  test('refuses who is not on the list', async () => {
    const authority = await bench.run({ allow: ['a'.repeat(64)] });
    expect(await post(authority, signedNode('mix1.test', start))).toEqual({
      status: 403,
      error: 'not-allowed',
    });
  });

  test('refuses more nodes than it keeps', async () => {
    const authority = await bench.run({ max_nodes: 1 });
    await register(authority, bench.clock.now(), 'mix1.test');
    expect(await post(authority, signedNode('mix2.test', start))).toEqual({ status: 503, error: 'full' });
    bench.clock.advance(1_000);
    await register(authority, bench.clock.now(), 'mix1.test');
  });

  test('refuses a node that registers without end', async () => {
    const authority = await bench.run();
    const outcomes: (string | undefined)[] = [];
    for (let second = 0; second < 63; second++) {
      outcomes.push((await post(authority, signedNode('mix1.test', start, past(60 - second)))).error);
    }
    expect(outcomes.slice(0, 61).every((error) => error === undefined)).toBe(true);
    expect(outcomes.slice(61)).toEqual(['too-often', 'too-often']);
  });

  test.each(['application/json', 'application/octet-stream'])('refuses %s', async (type) => {
    expect(await post(idle.authority, signedNode('mix1.test', start), type)).toEqual({
      status: 415,
      error: 'wrong-content-type',
    });
    expect(idle.authority.status().registered).toBe(0);
  });
});

describe('GET', () => {
  test('/v1/consensus may be cached until it stops being fresh', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const { text, headers } = await get(authority, '/v1/consensus');
    expect(headers.get('cache-control')).toBe(`public, max-age=${epochSeconds - 60}`);
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const tag = `"${createHash('sha256').update(text).digest('hex')}"`;
    expect(headers.get('etag')).toBe(`W/${tag}`);
    for (const known of [tag, `W/${tag}`, `"x", ${tag}`])
      expect(await get(authority, '/v1/consensus', { 'if-none-match': known })).toMatchObject({
        status: 304,
        text: '',
      });
    expect(await get(authority, '/v1/consensus', { 'if-none-match': '"x"' })).toMatchObject({
      status: 200,
      text,
    });
  });

  test('/v1/consensus is compressed as is asked for', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const plain = await get(authority, '/v1/consensus', { 'accept-encoding': 'identity' });
    const tag = `"${createHash('sha256').update(plain.text).digest('hex')}"`;
    const whole = Buffer.byteLength(plain.text);
    for (const [accepted, coding] of [
      ['zstd, br, gzip', 'zstd'],
      ['gzip, br', 'br'],
      ['gzip;q=0.5, br;q=0', 'gzip'],
      ['*', 'zstd'],
      ['*;q=0, GZIP', 'gzip'],
      ['zstd;q=0, *', 'br'],
      ['identity', null],
      ['deflate', null],
      ['', null],
    ] as const) {
      const { text, headers } = await get(authority, '/v1/consensus', { 'accept-encoding': accepted });
      expect(text).toBe(plain.text);
      expect(headers.get('content-encoding')).toBe(coding);
      expect(headers.get('etag')).toBe(coding === null ? tag : `W/${tag}`);
      expect(headers.get('vary')).toBe('accept-encoding');
      const length = Number(headers.get('content-length'));
      expect(coding === null ? length === whole : length < whole).toBe(true);
    }
  });

  test('/v1/consensus/diff/:digest makes the newest of those that are valid still, and of no others', async () => {
    const authority = await bench.run();
    const documents = new Map<number, Awaited<ReturnType<typeof consensusOf>>>();
    for (let at = epoch; at < epoch + 5; at++) {
      bench.clock.moveTo(start + (at - epoch) * epochSeconds * 1_000);
      await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
      await issued(authority, at);
      documents.set(at, await consensusOf(authority, bench.clock.now()));
    }
    const newest = documents.get(epoch + 4);
    for (const [at, { digest, text }] of documents) {
      const answer = await get(authority, `/v1/consensus/diff/${digest}`);
      const past = await get(authority, `/v1/consensus/${epoch + 4}/diff/${digest}`);
      expect([past.status, past.text]).toEqual([answer.status, answer.text]);
      expect(answer.status).toBe(at === epoch ? 404 : 200);
      if (at === epoch) continue;
      expect(applyDiff(text, answer.text)).toBe(newest?.text);
      expect(answer.text.length).toBeLessThan(text.length);
      expect(answer.headers.get('cache-control')).toBe(`public, max-age=${epochSeconds - 60}`);
      expect(past.headers.get('cache-control')).toContain('immutable');
      const known = answer.headers.get('etag') ?? '';
      const path = `/v1/consensus/diff/${digest}`;
      expect(await get(authority, path, { 'if-none-match': known })).toMatchObject({ status: 304 });
    }
  });

  test('/v1/consensus says when to come back while there is none', async () => {
    const { status, headers, text } = await get(idle.authority, '/v1/consensus');
    expect(status).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(JSON.parse(text)).toMatchObject({ error: 'no-consensus' });
  });

  test('/v1/consensus/:epoch may be cached for ever', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const { headers, text } = await get(authority, `/v1/consensus/${epoch}`);
    expect(headers.get('cache-control')).toContain('immutable');
    expect(headers.get('etag')).toBe((await get(authority, '/v1/consensus')).headers.get('etag'));
    expect(text).toBe((await consensusOf(authority, bench.clock.now())).text);
  });

  test('/v1/certificates gives those of keys that may still have signed something, and /all the past ones', async () => {
    const { folder: dataDir, clock } = bench;
    const authority = await bench.run();
    const [path, all] = ['/v1/certificates', '/v1/certificates/all'];
    const { text, headers } = await get(authority, path);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('etag')).toBe(`W/"${createHash('sha256').update(text).digest('hex')}"`);
    expect(await get(authority, path, { 'if-none-match': headers.get('etag') ?? '' })).toMatchObject({
      status: 304,
    });
    const first = JSON.parse(text) as string[];
    const authorities = [parseAuthorityKey(authority.vkey)];
    expect(first.map((signed) => verifyCertificate(signed, { authorities, at: start / 1_000 }).kind)).toEqual(
      ['certificate'],
    );

    clock.advance(299 * 86_400_000);
    const now = Math.floor(clock.now() / 1_000);
    const identity = (await readPrivateKey(identityPath(dataDir))) ?? new Uint8Array();
    const asked = { name: 'authority1.test', dataDir, identity, epochSeconds, now, random: systemRandom };
    await certify({ ...asked, days: 60 });
    const both = JSON.parse((await get(authority, path)).text) as string[];
    expect(both).toEqual([...first, expect.any(String)]);
    clock.advance(31 * 86_400_000 - 1);
    expect(JSON.parse((await get(authority, path)).text)).toEqual(both);
    clock.advance(1_000);
    expect(JSON.parse((await get(authority, path)).text)).toEqual(both.slice(1));
    // those that end last come first, for whoever reads so many and no more
    expect(JSON.parse((await get(authority, all)).text)).toEqual(both.toReversed());
  });

  test('/ is a page, of which a browser takes nothing but text and its own style', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    const { status, headers, text } = await get(authority, '/');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[^ ;]+';/);
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    const { digest } = authority.status().consensus ?? {};
    for (const told of ['authority1.test', 'mix1.test', 'mix2.test', 'mix3.test', digest])
      expect(text).toContain(told);
    const tag = headers.get('etag') ?? '';
    expect(await get(authority, '/', { 'if-none-match': tag })).toMatchObject({ status: 304, text: '' });
    bench.clock.moveTo((epoch + 1) * hour);
    await issued(authority, epoch + 1);
    expect((await get(authority, '/', { 'if-none-match': tag })).text).toContain(`Epoch ${epoch + 1}`);
  });

  test.each([
    ['/v1/consensus/7', 404, 'no-consensus'],
    ['/v1/consensus/x', 400, 'malformed'],
    ['/v1/consensus/-1', 400, 'malformed'],
    ['/v1/consensus/07', 400, 'malformed'],
    [`/v1/consensus/diff/${'a'.repeat(64)}`, 503, 'no-consensus'],
    ['/v1/consensus/diff/x', 400, 'malformed'],
    [`/v1/consensus/7/diff/${'a'.repeat(64)}`, 404, 'no-consensus'],
    ['/v1/consensus/7/diff/x', 400, 'malformed'],
    [`/v1/consensus/x/diff/${'a'.repeat(64)}`, 400, 'malformed'],
    ['/v1/nothing', 404, 'no-such-path'],
  ])('%s: %i %s', async (path, status, error) => {
    const answer = await get(idle.authority, path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error, message: expect.any(String) });
  });

  test('/v1/outages has nothing while the authority does not try the mixes', async () => {
    const { text, headers } = await get(idle.authority, '/v1/outages');
    expect(text).toBe('[]');
    expect(headers.get('cache-control')).toBe('public, max-age=30');
  });

  test('/health', async () => {
    const authority = await bench.run();
    expect(JSON.parse((await get(authority, '/health')).text)).toEqual({
      status: 'ok',
      epoch,
      registered: 0,
    });
    await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test', 'mix3.test');
    expect(JSON.parse((await get(authority, '/health')).text)).toEqual({
      status: 'ok',
      epoch,
      registered: 3,
      consensus: epoch,
    });
  });
});

describe('GET /openapi.json', () => {
  interface Operation {
    readonly operationId: string;
    readonly summary: string;
    readonly requestBody?: { readonly content: object };
    readonly responses: Record<string, { readonly description: string; readonly content?: object }>;
  }

  test('describes every path, every answer and every error', async () => {
    const document = JSON.parse((await get(idle.authority, '/openapi.json')).text) as {
      openapi: string;
      info: object;
      paths: Record<string, Record<string, Operation>>;
    };
    expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1' } });
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ is: `${method} ${path}`, operation })),
    );
    const described = Object.fromEntries(
      operations.map(({ is, operation }) => [is, Object.keys(operation.responses).map(Number)]),
    );
    expect(described).toEqual({
      'get /': [200, 304],
      'post /v1/descriptors': [202, 400, 403, 409, 413, 415, 429, 503],
      'get /v1/consensus': [200, 304, 503],
      'get /v1/consensus/diff/{digest}': [200, 304, 400, 404, 503],
      'get /v1/consensus/{epoch}': [200, 304, 400, 404],
      'get /v1/consensus/{epoch}/diff/{digest}': [200, 304, 400, 404],
      'get /v1/registered/{id}': [200, 400, 404],
      'get /v1/log/checkpoint': [200, 304, 503],
      'get /v1/log/tile/{*}': [200, 400, 404],
      'get /v1/outages': [200, 304],
      'get /v1/descriptors/{digest}': [200, 400, 404],
      'get /v1/agreement': [200],
      'get /v1/agreement/authorities': [200],
      'get /v1/agreement/passed': [200],
      'get /v1/agreement/passed/{digest}': [200, 400, 404],
      'get /v1/agreement/{epoch}': [200, 400, 404],
      'get /v1/agreement/{epoch}/consensus': [200, 400, 404],
      'post /v1/agreement/descriptors': [200, 400, 413, 415],
      'post /v1/agreement/votes': [202, 400, 409, 413, 415, 429, 503],
      'post /v1/agreement/reveals': [202, 400, 409, 413, 415, 429, 503],
      'post /v1/agreement/signatures': [202, 400, 409, 413, 415, 429, 503],
      'get /v1/parameters': [200, 304, 503],
      'get /v1/certificates': [200, 304],
      'get /v1/certificates/all': [200, 304],
      'get /health': [200],
    });
    for (const { operation } of operations) {
      expect(operation.summary).not.toBe('');
      for (const [status, answer] of Object.entries(operation.responses)) {
        const [type = status === '304' ? 'none' : undefined] = Object.keys(answer.content ?? {});
        expect(type).toMatch(
          Number(status) >= 400
            ? /^application\/json$/
            : /^(application\/(json|octet-stream)|text\/(plain|html)|none)$/,
        );
        expect(answer.description).not.toBe('');
      }
    }
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    for (const { operation } of operations.filter(({ is }) => is.startsWith('post')))
      expect(Object.keys(operation.requestBody?.content ?? {})).toEqual(['text/plain']);
  });
});
