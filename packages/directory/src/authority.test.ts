import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAuthorityKey, verifyConsensus, verifyDescriptor } from '@postern/protocol/consensus';
import { silentLog, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type AuthorityDeps, type RunningAuthority, startAuthority } from './authority.ts';
import {
  configFor,
  epochSeconds,
  FakeClock,
  keepingLog,
  signedGateway,
  signedNode,
  start,
} from './testing.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;

let folder = '';
let clock = new FakeClock();
let running: RunningAuthority[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-directory-'));
  clock = new FakeClock();
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((authority) => authority.close()));
  await rm(folder, { recursive: true });
});

async function run(change: object = {}, deps: Partial<AuthorityDeps> = {}): Promise<RunningAuthority> {
  const given = { clock, random: systemRandom, log: silentLog, ...deps };
  const authority = await startAuthority(configFor(folder, change), given);
  running.push(authority);
  return authority;
}

async function post(
  { url }: RunningAuthority,
  body: string,
  type = 'text/plain',
): Promise<{ status: number; error?: string; id?: string }> {
  const response = await fetch(`${url}/v1/descriptors`, {
    method: 'POST',
    body,
    headers: { 'content-type': type },
  });
  const { error, id } = (await response.json()) as { error?: string; id?: string };
  return { status: response.status, ...(error !== undefined && { error }), ...(id !== undefined && { id }) };
}

async function register(authority: RunningAuthority, ...names: string[]): Promise<void> {
  for (const name of names)
    expect(await post(authority, signedNode(name, clock.now()))).toMatchObject({ status: 202 });
}

async function get({ url }: RunningAuthority, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function consensusOf(authority: RunningAuthority, path = '/v1/consensus') {
  const { text } = await get(authority, path);
  const verified = verifyConsensus(text, {
    authorities: [parseAuthorityKey(authority.vkey)],
    threshold: 1,
    now: Math.floor(clock.now() / 1_000),
  });
  if (verified.kind === 'refused') throw new Error(verified.detail);
  return { ...verified, text };
}

async function issued(authority: RunningAuthority, wanted: number): Promise<void> {
  await vi.waitFor(() => expect(authority.status().consensus?.epoch).toBe(wanted));
}

describe('an authority', () => {
  test('issues the first consensus as soon as enough nodes have registered', async () => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test');
    expect(await get(authority, '/v1/consensus')).toMatchObject({ status: 503 });
    expect(await post(authority, signedGateway('gateway.b.test', clock.now(), ['b.test']))).toMatchObject({
      status: 202,
    });
    const { consensus, signedBy } = await consensusOf(authority);
    expect(consensus).toMatchObject({ epoch, epochSeconds, previous: '', meanDelayMs: 200 });
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual([
      'gateway.b.test',
      'mix1.test',
      'mix2.test',
    ]);
    expect(signedBy).toEqual(['authority1.test']);
  });

  test('issues another at every epoch’s start, chained to the one before, and keeps them all', async () => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    const first = await consensusOf(authority);
    await register(authority, 'mix4.test');
    expect(authority.status().consensus?.digest).toBe(first.digest);
    clock.moveTo((epoch + 1) * hour - 1);
    expect(authority.status().consensus?.epoch).toBe(epoch);
    clock.moveTo((epoch + 1) * hour);
    await issued(authority, epoch + 1);
    const second = await consensusOf(authority);
    expect(second.consensus.previous).toBe(first.digest);
    expect(second.consensus.nodes).toHaveLength(4);
    expect(second.consensus.shared).not.toBe(first.consensus.shared);
    expect((await consensusOf(authority, `/v1/consensus/${epoch}`)).text).toBe(first.text);
    expect((await consensusOf(authority, `/v1/consensus/${epoch + 1}`)).text).toBe(second.text);
  });

  test('leaves out epochs that it slept through', async () => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    const { digest } = await consensusOf(authority);
    clock.moveTo((epoch + 5) * hour + 1);
    await issued(authority, epoch + 5);
    expect((await consensusOf(authority)).consensus).toMatchObject({ previous: digest, nodes: [] });
    expect(await get(authority, `/v1/consensus/${epoch + 1}`)).toMatchObject({ status: 404 });
  });

  test('issues nothing while its clock is behind the last consensus', async () => {
    const { log, lines } = keepingLog();
    const authority = await run({}, { log });
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    clock.moveTo(start - hour);
    expect(await post(authority, signedNode('mix4.test', clock.now()))).toMatchObject({ status: 202 });
    expect(authority.status()).toMatchObject({ epoch: epoch - 1, consensus: { epoch } });
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'warn', event: 'clock behind the last consensus' }),
    );
  });

  test('tries again when a consensus cannot be made', async () => {
    const { log, lines } = keepingLog();
    let failures = 1;
    const failing = {
      bytes(length: number): Uint8Array {
        if (running.length > 0 && failures-- > 0) throw new Error('no chance');
        return systemRandom.bytes(length);
      },
    };
    const authority = await run({}, { log, random: failing });
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    expect(authority.status().consensus).toBeUndefined();
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'consensus not issued' }));
    clock.moveTo((epoch + 1) * hour);
    await issued(authority, epoch + 1);
    expect(await authority.metrics()).toContain('postern_directory_consensus_total{outcome="failed"} 1');
  });

  test('forgets a node after thirty days of silence, and frees its name', async () => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    const other = (): string => signedNode('mix1.test', clock.now(), {}, 'another key');
    expect(await post(authority, other())).toMatchObject({ status: 409, error: 'name-taken' });
    clock.advance(30 * 24 * hour + hour);
    await vi.waitFor(() => expect(authority.status().registered).toBe(0));
    expect(await post(authority, other())).toMatchObject({ status: 202 });
  });

  test('says nothing of who asks, in log or metrics', async () => {
    const { log, lines } = keepingLog();
    const authority = await run({}, { log });
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    await get(authority, '/v1/consensus');
    await post(authority, 'x');
    const port = new URL(authority.url).port;
    const said =
      JSON.stringify(lines.filter(({ event }) => event !== 'serving')) + (await authority.metrics());
    expect(said).not.toMatch(/127\.0\.0\.1|::1/);
    expect(said).not.toContain(port);
    expect(said).toContain('outcome=\\"malformed\\"'.replaceAll('\\', ''));
  });
});

describe('after a restart', () => {
  test('serves what it had and signs no second document for the epoch', async () => {
    const before = await run();
    await register(before, 'mix1.test', 'mix2.test', 'mix3.test');
    const { text, digest } = await consensusOf(before);
    await register(before, 'mix4.test');
    await before.close();

    const after = await run();
    expect(after.vkey).toBe(before.vkey);
    expect(await get(after, '/v1/consensus')).toMatchObject({ status: 200, text });
    await register(after, 'mix5.test');
    expect(await get(after, '/v1/consensus')).toMatchObject({ text });
    clock.moveTo((epoch + 1) * hour);
    await issued(after, epoch + 1);
    const next = await consensusOf(after);
    expect(next.consensus.previous).toBe(digest);
    expect(next.consensus.nodes.map(({ name }) => name).sort()).toEqual(
      [1, 2, 3, 4, 5].map((n) => `mix${n}.test`),
    );
  });

  test('makes up for the epoch that began meanwhile', async () => {
    const before = await run();
    await register(before, 'mix1.test', 'mix2.test', 'mix3.test');
    await before.close();
    clock.advance(hour);
    const after = await run();
    await issued(after, epoch + 1);
    expect(after.status().registered).toBe(3);
  });

  test('drops nodes that have been revoked, and frees their names', async () => {
    const before = await run();
    await register(before, 'mix1.test', 'mix2.test', 'mix3.test');
    const verified = verifyDescriptor(signedNode('mix1.test', clock.now()));
    const id = verified.kind === 'descriptor' ? verified.id : '';
    await before.close();
    clock.advance(hour);
    const after = await run({ revoked: [id] });
    expect(await post(after, signedNode('mix1.test', clock.now()))).toMatchObject({
      status: 403,
      error: 'revoked',
    });
    expect(await post(after, signedNode('mix1.test', clock.now(), {}, 'a new key'))).toMatchObject({
      status: 202,
    });
    const { consensus } = await consensusOf(after);
    expect(consensus.revoked).toEqual([id]);
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual(['mix2.test', 'mix3.test']);
  });
});

describe('the data directory', () => {
  test('keeps the key for its owner alone', async () => {
    await run();
    expect((await stat(join(folder, 'authority.key'))).mode & 0o777).toBe(0o600);
  });

  test('serves one authority at a time', async () => {
    await run();
    await expect(run()).rejects.toMatchObject({ code: 'in-use', exitCode: 75 });
  });

  test.each([
    ['without its key', 'no-key', {}, (): Promise<void> => rm(join(folder, 'authority.key'))],
    [
      'with a damaged key',
      'wrong-key',
      {},
      (): Promise<void> => writeFile(join(folder, 'authority.key'), 'x'),
    ],
    [
      'with another key',
      'wrong-key',
      {},
      (): Promise<void> => writeFile(join(folder, 'authority.key'), `${'A'.repeat(43)}=\n`),
    ],
    ['under another name', 'wrong-key', { name: 'authority2.test' }, async (): Promise<void> => {}],
    ['with another epoch length', 'wrong-epoch', { epoch: '30m' }, async (): Promise<void> => {}],
  ])('%s stops the authority: %s', async (_, code, change, harm) => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    await authority.close();
    await harm();
    await expect(run(change)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });
});

describe('POST /v1/descriptors', () => {
  const past = (seconds: number): { published: number } => ({ published: start / 1_000 - seconds });
  const refusals: [string, number, () => string][] = [
    ['malformed', 400, () => 'x'],
    ['malformed', 400, () => ''],
    ['unknown-version', 400, () => signedNode('mix9.test', start).replace('/v1', '/v2')],
    ['bad-signature', 400, () => signedNode('mix9.test', start).replace('"port":2525', '"port":2526')],
    ['oversized', 413, () => 'x'.repeat(40_000)],
    ['oversized', 413, () => 'x'.repeat(70_000)],
    ['from-the-future', 400, () => signedNode('mix9.test', start, past(-121))],
    ['too-old', 400, () => signedNode('mix9.test', start, past(2 * epochSeconds + 61))],
    ['not-newer', 409, () => signedNode('mix1.test', start, past(1))],
    ['not-newer', 409, () => signedNode('mix1.test', start, { family: 'other' })],
    ['name-taken', 409, () => signedNode('mix1.test', start, {}, 'another key')],
    ['domain-taken', 409, () => signedGateway('other.test', start, ['a.test', 'b.test'])],
  ];
  test.each(refusals)('refuses as %s with %i', async (error, status, text) => {
    const authority = await run();
    await register(authority, 'mix1.test');
    await post(authority, signedGateway('gateway.b.test', start, ['b.test']));
    expect(await post(authority, text())).toEqual({ status, error });
    expect(authority.status().registered).toBe(2);
  });

  test('takes a descriptor at the bounds of time', async () => {
    const authority = await run();
    expect(await post(authority, signedNode('a.test', start, past(-120)))).toMatchObject({ status: 202 });
    expect(await post(authority, signedNode('b.test', start, past(2 * epochSeconds + 60)))).toMatchObject({
      status: 202,
    });
  });

  test('takes the same descriptor again, and a newer one in its place', async () => {
    const authority = await run();
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
    const authority = await run({ allow: ['a'.repeat(64)] });
    expect(await post(authority, signedNode('mix1.test', start))).toEqual({
      status: 403,
      error: 'not-allowed',
    });
  });

  test('refuses more nodes than it keeps', async () => {
    const authority = await run({ max_nodes: 1 });
    await register(authority, 'mix1.test');
    expect(await post(authority, signedNode('mix2.test', start))).toEqual({ status: 503, error: 'full' });
    clock.advance(1_000);
    await register(authority, 'mix1.test');
  });

  test('refuses a node that registers without end', async () => {
    const authority = await run();
    const outcomes: (string | undefined)[] = [];
    for (let second = 0; second < 63; second++) {
      outcomes.push((await post(authority, signedNode('mix1.test', start, past(60 - second)))).error);
    }
    expect(outcomes.slice(0, 61).every((error) => error === undefined)).toBe(true);
    expect(outcomes.slice(61)).toEqual(['too-often', 'too-often']);
  });

  test.each(['application/json', 'application/octet-stream'])('refuses %s', async (type) => {
    const authority = await run();
    expect(await post(authority, signedNode('mix1.test', start), type)).toEqual({
      status: 415,
      error: 'wrong-content-type',
    });
  });
});

describe('GET', () => {
  test('/v1/consensus may be cached until it stops being fresh', async () => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    const { text, headers } = await get(authority, '/v1/consensus');
    expect(headers.get('cache-control')).toBe(`public, max-age=${epochSeconds - 60}`);
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const tag = headers.get('etag') ?? '';
    expect(tag).toBe(`"${createHash('sha256').update(text).digest('hex')}"`);
    expect(await get(authority, '/v1/consensus', { 'if-none-match': tag })).toMatchObject({
      status: 304,
      text: '',
    });
    expect(await get(authority, '/v1/consensus', { 'if-none-match': `"x", ${tag}` })).toMatchObject({
      status: 304,
    });
    expect(await get(authority, '/v1/consensus', { 'if-none-match': '"x"' })).toMatchObject({
      status: 200,
      text,
    });
  });

  test('/v1/consensus says when to come back while there is none', async () => {
    const { status, headers, text } = await get(await run(), '/v1/consensus');
    expect(status).toBe(503);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(JSON.parse(text)).toMatchObject({ error: 'no-consensus' });
  });

  test('/v1/consensus/:epoch may be cached for ever', async () => {
    const authority = await run();
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
    const { headers, text } = await get(authority, `/v1/consensus/${epoch}`);
    expect(headers.get('cache-control')).toContain('immutable');
    expect(headers.get('etag')).toBe((await get(authority, '/v1/consensus')).headers.get('etag'));
    expect(text).toBe((await consensusOf(authority)).text);
  });

  test.each([
    ['/v1/consensus/7', 404, 'no-consensus'],
    ['/v1/consensus/x', 400, 'malformed'],
    ['/v1/consensus/-1', 400, 'malformed'],
    ['/v1/consensus/07', 400, 'malformed'],
    ['/v1/nothing', 404, 'no-such-path'],
  ])('%s: %i %s', async (path, status, error) => {
    const answer = await get(await run(), path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error, message: expect.any(String) });
  });

  test('/health', async () => {
    const authority = await run();
    expect(JSON.parse((await get(authority, '/health')).text)).toEqual({
      status: 'ok',
      epoch,
      registered: 0,
    });
    await register(authority, 'mix1.test', 'mix2.test', 'mix3.test');
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
    const authority = await run();
    const document = JSON.parse((await get(authority, '/openapi.json')).text) as {
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
      'post /v1/descriptors': [202, 400, 403, 409, 413, 415, 429, 503],
      'get /v1/consensus': [200, 304, 503],
      'get /v1/consensus/{epoch}': [200, 304, 400, 404],
      'get /v1/parameters': [200, 304],
      'get /health': [200],
    });
    for (const { operation } of operations) {
      expect(operation.summary).not.toBe('');
      for (const [status, answer] of Object.entries(operation.responses)) {
        const [type = status === '304' ? 'none' : undefined] = Object.keys(answer.content ?? {});
        expect(type).toMatch(
          Number(status) >= 400 ? /^application\/json$/ : /^(application\/json|text\/plain|none)$/,
        );
        expect(answer.description).not.toBe('');
      }
    }
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    expect(
      Object.keys(operations.find(({ is }) => is.startsWith('post'))?.operation.requestBody?.content ?? {}),
    ).toEqual(['text/plain']);
  });
});

test('ends with its signal, and answers no more', async () => {
  const stop = new AbortController();
  const authority = await run({}, { signal: stop.signal });
  expect(await get(authority, '/health')).toMatchObject({ status: 200 });
  stop.abort();
  await authority.close();
  await expect(get(authority, '/health')).rejects.toThrow('fetch failed');
  const again = await run();
  expect(again.vkey).toBe(authority.vkey);
});
