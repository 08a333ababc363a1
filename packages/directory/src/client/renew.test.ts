import { chmod, cp, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { makeDiff } from '@postern/protocol/consensus';
import { seeded } from '@postern/protocol/testing';
import { systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds } from '../testing/clock.ts';
import { epochOf, type Library, openLibrary, others, ours } from '../testing/readers.ts';
import { type TestServer, text } from '../testing/servers.ts';
import type { DirectoryClient } from './client.ts';
import { planFor } from './window.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
/** What stays the same from one consensus to the next: enough of it that a diff is worth while. */
const revoked = Array.from({ length: 90 }, (_, at) => `${100 + at}`.padStart(64, 'a'));

let library: Library;
let chain: Chain;
let server: TestServer;
beforeEach(async () => {
  library = await openLibrary();
  chain = createChain([ours, others]);
  chain.issue(epoch, { revoked });
  server = await library.serving(chain.serve());
});
afterEach(() => library[Symbol.asyncDispose]());

const two = { authorities: [ours.vkey, others.vkey], threshold: 2 };
const asked = (): string[] =>
  server.requests.flatMap(({ url = '' }) => (url.includes('tile') ? [] : [url.replace(/[0-9a-f]{64}/, '…')]));

describe('a consensus', () => {
  test('comes as a diff from the one at hand', async () => {
    const client = library.client([server.url]);
    await client.current();
    chain.issue(epoch + 1, { revoked });
    library.clock.moveTo((epoch + 1) * hour);
    const { digest } = await client.current();
    expect(digest).toBe(chain.leaves.at(-1)?.digest);
    expect(asked()).toEqual(['/v1/consensus', '/v1/consensus/diff/…']);
  });

  test('comes whole where there is none at hand that is valid still', async () => {
    const client = library.client([server.url]);
    await client.current();
    for (let at = epoch + 1; at < epoch + 4; at++) chain.issue(at, { revoked });
    library.clock.moveTo((epoch + 3) * hour);
    expect(await epochOf(client)).toBe(epoch + 3);
    expect(asked()).toEqual(['/v1/consensus', '/v1/consensus']);
  });

  const spoilt: [string, (text: string) => string | undefined][] = [
    ['there is no diff', () => undefined],
    ['the diff is none', () => 'x'],
    ['the diff is to another document', (text) => text.replace(/"epoch":\d+/, '"epoch":7')],
    [
      'the signatures in the diff do not hold',
      (text) => text.replace(/(?<=authority1.test .{40}).{20}/, 'A'.repeat(20)),
    ],
    ['the diff has no signatures', (text) => text.replace(/"signatures":"[^"]*"/, '"signatures":""')],
    ['the diff never ends', () => 'x'.repeat(5_000_000)],
  ];
  test.each(spoilt)('A5 comes whole where %s', async (_, spoil) => {
    const client = library.client([server.url]);
    await client.current();
    chain.issue(epoch + 1, { revoked });
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = meddling(chain.serve(), spoil);
    expect(await epochOf(client)).toBe(epoch + 1);
    expect(asked()).toEqual(['/v1/consensus', '/v1/consensus/diff/…', '/v1/consensus']);
  });

  test('that forks is not asked for again whole, when a diff has brought it', async () => {
    const client = library.client([server.url]);
    await client.current();
    const other = createChain([ours, others]);
    other.issue(epoch, { revoked, meanDelayMs: 7 });
    const [from = '', to = ''] = [chain, other].map(({ documents }) => documents.get(epoch));
    server.answer = meddling(chain.serve(), () => makeDiff(from, to));
    await expect(client.refresh()).rejects.toMatchObject({ code: 'fork' });
    expect(asked()).toEqual(['/v1/consensus', '/v1/consensus/diff/…']);
  });
});

/** Serves as another does, but for diffs. */
function meddling(serve: RequestListener, spoil: (text: string) => string | undefined): RequestListener {
  return (request, response) => {
    if (!request.url?.includes('/diff/')) return serve(request, response);
    const kept = {
      writeHead: () => kept,
      end(text: string) {
        const spoilt = spoil(text);
        response.writeHead(spoilt === undefined ? 404 : 200).end(spoilt);
      },
    };
    return serve(request, kept as unknown as typeof response);
  };
}

describe('the next consensus', () => {
  test('is fetched before its epoch, and used from its beginning on, without asking', async () => {
    const client = library.client([server.url], two);
    expect(client.renewAt()).toBe(library.clock.now());
    await client.renew();
    const at = client.renewAt();
    expect(at).toBeGreaterThan((epoch + 1) * hour - hour / 4);
    expect(at).toBeLessThan((epoch + 1) * hour);
    library.clock.moveTo(at - 1);
    await client.renew();
    expect(asked()).toEqual(['/v1/consensus']);
    chain.issue(epoch + 1, { revoked });
    library.clock.moveTo(at);
    expect((await client.renew()).consensus.epoch).toBe(epoch);
    expect(asked().slice(1)).toEqual([`/v1/consensus/${epoch + 1}/diff/…`]);
    expect(client.renewAt()).toBe((epoch + 1) * hour);
    expect(await epochOf(client)).toBe(epoch);

    library.clock.moveTo((epoch + 1) * hour);
    expect((await client.renew()).digest).toBe(chain.leaves.at(-1)?.digest);
    expect(asked()).toHaveLength(2);
    // it is remembered
    expect(client.newest()).toBe(epoch + 1);
  });

  test('is fetched after its epoch’s start by those who could not before', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    library.clock.moveTo(client.renewAt());
    await client.renew();
    expect(asked().slice(1)).toEqual([`/v1/consensus/${epoch + 1}/diff/…`, `/v1/consensus/${epoch + 1}`]);
    const at = client.renewAt();
    expect(at).toBeGreaterThan((epoch + 1) * hour);
    expect(at).toBeLessThanOrEqual((epoch + 1) * hour + 300_000);
    chain.issue(epoch + 1, { revoked });
    library.clock.moveTo(at);
    expect((await client.renew()).consensus.epoch).toBe(epoch + 1);
  });

  test('is begun in time though a clock that was far ahead has found none', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    const moveTo = (ms: number): void => library.clock.moveTo(ms);
    const [right, wrong] = [library.clock.now(), (epoch + 1.6) * hour];
    moveTo(wrong);
    expect((await client.renew()).consensus.epoch).toBe(epoch);
    moveTo(right);
    await client.renew();
    chain.issue(epoch + 1, { revoked });
    moveTo(client.renewAt());
    await client.renew();
    moveTo((epoch + 1) * hour);
    server.answer = text('', 500);
    expect((await client.renew()).consensus.epoch).toBe(epoch + 1);
  });

  test('that does not follow on the one at hand is refused, and the one at hand with it', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    const other = createChain([ours, others]);
    other.issue(epoch, { meanDelayMs: 7 });
    other.issue(epoch + 1);
    server.answer = other.serve();
    library.clock.moveTo(client.renewAt());
    await expect(client.renew()).rejects.toMatchObject({ code: 'fork' });
    expect(asked().slice(-2)).toEqual([`/v1/consensus/${epoch + 1}`, `/v1/consensus/${epoch}`]);
    // for good, whoever serves the right one afterwards, and in the next run too
    chain.issue(epoch + 1, { revoked });
    server.answer = chain.serve();
    for (const one of [client, library.client([server.url], two)])
      for (const at of [library.clock.now() + 1_000, (epoch + 1) * hour]) {
        library.clock.moveTo(at);
        await expect(one.renew()).rejects.toMatchObject({ code: 'fork' });
      }
  });

  /** A client that has fetched it ahead; `chain` goes one way from then on, and what comes back another. */
  const fetchedAhead = async (): Promise<{ client: DirectoryClient; branch: Chain }> => {
    const client = library.client([server.url], two);
    await client.renew();
    const branch = chain.branch();
    chain.issue(epoch + 1, { revoked });
    branch.issue(epoch + 1, { revoked, meanDelayMs: 7 });
    library.clock.moveTo(client.renewAt());
    await client.renew();
    return { client, branch };
  };
  const goOn = (one: Chain, to: number): void => {
    for (let at = epoch + 2; at <= to; at++) one.issue(at, { revoked });
    server.answer = one.serve();
    library.clock.moveTo(to * hour);
  };
  const cacheOf = (name: string): string => join(library.folder, name);
  const fork = async () => JSON.parse(await readFile(join(cacheOf('cache'), 'fork'), 'utf8'));

  test('is used by another process that was there before', async () => {
    const another = library.client([server.url], two);
    await another.renew();
    await fetchedAhead();
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = text('', 500);
    expect((await another.renew()).digest).toBe(chain.leaves.at(-1)?.digest);
  });

  test('is remembered by the next run, which asks for it no more, and uses it once it has begun', async () => {
    const { client } = await fetchedAhead();
    const before = asked().length;
    const restarted = library.client([server.url], two);
    expect((await restarted.renew()).consensus.epoch).toBe(epoch);
    expect(restarted.renewAt()).toBe((epoch + 1) * hour);
    library.clock.moveTo((epoch + 1) * hour);
    expect((await restarted.renew()).digest).toBe(chain.leaves.at(-1)?.digest);
    expect(asked()).toHaveLength(before);
    // by the one that fetched it as well
    expect((await client.renew()).digest).toBe(chain.leaves.at(-1)?.digest);
  });

  test.each([
    ['by the one that fetched it', false],
    ['by the next run', true],
  ])('lets no other one of its epoch pass, %s', async (_, isRestarted) => {
    const { client, branch } = await fetchedAhead();
    const reader = isRestarted ? library.client([server.url], two) : client;
    goOn(branch, epoch + 1);
    await expect(reader.refresh()).rejects.toMatchObject({ code: 'fork' });
    expect(await fork()).toMatchObject({ proven: true });
    await expect(library.client([server.url], two).current()).rejects.toMatchObject({ code: 'fork' });
  });

  test.each([2, 3, 4, 6])('lets none pass that does not follow on it, %i epochs later', async (later) => {
    const { branch } = await fetchedAhead();
    const reader = library.client([server.url], { ...two, cacheDir: cacheOf('cache') });
    goOn(branch, epoch + later);
    await expect(reader.refresh()).rejects.toMatchObject({ code: 'fork' });
    expect(await fork()).toMatchObject({ proven: true });
  });

  test.each([1, 2, 3, 4, 6])('is followed by what does, %i epochs later', async (later) => {
    const { client } = await fetchedAhead();
    goOn(chain, epoch + later);
    expect((await client.refresh()).consensus.epoch).toBe(epoch + later);
    expect(await epochOf(library.client([server.url], two))).toBe(epoch + later);
  });

  test.each([
    ['another one of its epoch', epoch + 1],
    ['one that does not follow on it', epoch + 2],
  ])('is a fork when %s lies on disk, whoever has put it there', async (_, to) => {
    const { client, branch } = await fetchedAhead();
    await cp(cacheOf('cache'), cacheOf('other'), { recursive: true });
    await rm(join(cacheOf('other'), 'ahead'));
    goOn(branch, to);
    await library.client([server.url], { ...two, cacheDir: cacheOf('other') }).current();
    for (const name of ['consensus', 'seen'])
      await cp(join(cacheOf('other'), name), join(cacheOf('cache'), name));
    await expect(client.renew()).rejects.toMatchObject({ code: 'fork' });
    await expect(library.client([server.url], two).current()).rejects.toMatchObject({ code: 'fork' });
  });

  test('is a fork when another process has fetched another one ahead', async () => {
    const slower = library.client([server.url], two);
    await slower.renew();
    const { branch } = await fetchedAhead();
    library.clock.moveTo((epoch + 1) * hour - 1);
    server.answer = branch.serve();
    await expect(slower.renew()).rejects.toMatchObject({ code: 'fork' });
    expect(await fork()).toMatchObject({ proven: true });
  });

  /** A server that answers once it is let go. */
  const late = async (serve: RequestListener): Promise<{ slow: TestServer; letGo: () => void }> => {
    const gate = Promise.withResolvers<void>();
    const slow = await library.serving(
      (request, response) => void gate.promise.then(() => serve(request, response)),
    );
    return { slow, letGo: gate.resolve };
  };
  const outcomeOf = (asked: Promise<unknown>): Promise<unknown> => asked.catch((error: unknown) => error);

  test('is a fork when it comes while another one of its epoch is on its way', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    const branch = chain.branch();
    chain.issue(epoch + 1, { revoked });
    branch.issue(epoch + 1, { revoked, meanDelayMs: 7 });
    const { slow, letGo } = await late(branch.serve());
    library.clock.moveTo(client.renewAt());
    const outcome = outcomeOf(library.client([slow.url], two).refresh());
    await vi.waitFor(() => expect(slow.requests).toHaveLength(1));
    await client.renew();
    library.clock.moveTo((epoch + 1) * hour);
    letGo();
    expect(await outcome).toMatchObject({ code: 'fork' });
    expect(await fork()).toMatchObject({ proven: true });
  });

  test('is a fork when it comes after another one of its epoch was taken', async () => {
    await library.client([server.url], two).renew();
    const branch = chain.branch();
    chain.issue(epoch + 1, { revoked });
    branch.issue(epoch + 1, { revoked, meanDelayMs: 7 });
    const { slow, letGo } = await late(branch.serve());
    library.clock.moveTo((epoch + 1) * hour - 1);
    const outcome = outcomeOf(library.client([slow.url], two).renew());
    await vi.waitFor(() => expect(slow.requests).toHaveLength(1));
    library.clock.moveTo((epoch + 1) * hour);
    await library.client([server.url], two).current();
    letGo();
    expect(await outcome).toMatchObject({ code: 'fork' });
    expect(await fork()).toMatchObject({ proven: true });
  });

  test('does not take the place of a later one', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    chain.issue(epoch + 1, { revoked });
    const { slow, letGo } = await late(chain.serve());
    library.clock.moveTo((epoch + 1) * hour - 1);
    const outcome = outcomeOf(library.client([slow.url], two).renew());
    await vi.waitFor(() => expect(slow.requests).toHaveLength(1));
    library.clock.moveTo((epoch + 1) * hour);
    await client.current();
    chain.issue(epoch + 2, { revoked });
    library.clock.moveTo(client.renewAt());
    await client.renew();
    letGo();
    await outcome;
    expect(await readFile(join(cacheOf('cache'), 'ahead'), 'utf8')).toBe(chain.documents.get(epoch + 2));
  });

  test.each<[string, (text: string) => string]>([
    ['that was altered', (text) => text.replace('"meanDelayMs":200', '"meanDelayMs":201')],
    ['that too few have signed', () => createChain([ours], chain).issue(epoch + 1)],
    ['in place of which there is something else', () => 'x'],
  ])('lies on disk, and is not used, %s', async (_, spoil) => {
    await fetchedAhead();
    const path = join(cacheOf('cache'), 'ahead');
    await writeFile(path, spoil(await readFile(path, 'utf8')));
    library.clock.moveTo((epoch + 1) * hour);
    const restarted = library.client([server.url], two);
    const good = server.answer;
    server.answer = text('', 500);
    expect(await epochOf(restarted)).toBe(epoch);
    server.answer = good;
    library.clock.advance(30_000);
    expect((await restarted.current()).digest).toBe(chain.leaves.at(-1)?.digest);
  });

  test('is fetched again until it can be kept, and nothing is used by who renews until then', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    chain.issue(epoch + 1, { revoked });
    library.clock.moveTo(client.renewAt());
    await chmod(cacheOf('cache'), 0o755);
    for (let again = 0; again < 2; again++)
      await expect(client.renew()).rejects.toMatchObject({ code: 'wrong-cache' });
    await chmod(cacheOf('cache'), 0o700);
    expect((await client.renew()).consensus.epoch).toBe(epoch);
    expect(await readFile(join(cacheOf('cache'), 'ahead'), 'utf8')).toBe(chain.documents.get(epoch + 1));
  });
});

describe('times to ask', () => {
  const consensus = { epoch, epochSeconds, freshUntil: (epoch + 1) * epochSeconds };
  const plans = (authorities: number, seconds: number) =>
    Array.from({ length: 200 }, (_, at) =>
      planFor(
        { ...consensus, epochSeconds: seconds, freshUntil: (epoch + 1) * seconds } as Parameters<
          typeof planFor
        >[0],
        authorities,
        seeded(`${at}`),
      ),
    );

  test.each([
    // rounds of a minute: 2(n − 1) + 2 of them in a quarter of an hour
    [2, 3_600, 4 * 60, 15 * 60],
    [5, 3_600, 10 * 60, 15 * 60],
    [3, 86_400, 6 * 60, 6 * 3_600],
  ])(
    'with %i authorities and epochs of %i s lie between the agreement and the start',
    (n, seconds, from, to) => {
      const end = (epoch + 1) * seconds * 1_000;
      const times = plans(n, seconds).map(({ aheadAt = 0 }) => (aheadAt - end) / 1_000 + to);
      expect(Math.min(...times)).toBeGreaterThanOrEqual(from);
      expect(Math.max(...times)).toBeLessThan(to);
      expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan((to - from) * 0.9);
    },
  );

  test('lie after the start where authorities may need all the time before, and for one alone', () => {
    for (const n of [1, 9]) {
      const all = plans(n, 3_600);
      expect(all.every(({ aheadAt }) => aheadAt === undefined)).toBe(true);
      const late = all.map(({ afterAt }) => afterAt - (epoch + 1) * hour);
      expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...late)).toBeLessThan(300_000);
      expect(Math.max(...late)).toBeGreaterThan(270_000);
    }
    const short = planFor(
      { ...consensus, epochSeconds: 10 } as Parameters<typeof planFor>[0],
      1,
      systemRandom,
    );
    expect(short.afterAt).toBeLessThan((epoch + 1) * hour + 1_000);
  });
});
