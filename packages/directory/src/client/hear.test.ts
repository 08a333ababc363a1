import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { parseAuthorityKey, verifyEquivocation } from '@postern/protocol/consensus';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { askedOf, epochOf, type Library, openLibrary, others, ours } from '../testing/readers.ts';
import { type TestServer, text } from '../testing/servers.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const trust = { authorities: [ours, others].map(({ vkey }) => parseAuthorityKey(vkey)), threshold: 2 };
const two = { authorities: [ours.vkey, others.vkey], threshold: 2 };

let library: Library;
let chain: Chain;
/** What others are shown. */
let other: Chain;
let server: TestServer;
beforeEach(async () => {
  library = await openLibrary();
  chain = createChain([ours, others]);
  chain.issue(epoch - 1);
  other = chain.branch();
  chain.issue(epoch);
  other.issue(epoch, { meanDelayMs: 7 });
  server = await library.serving(chain.serve());
});
afterEach(() => library[Symbol.asyncDispose]());

const digestOf = ({ leaves }: Chain): string => leaves.at(-1)?.digest ?? '';
const proofPath = (): string => join(library.folder, 'cache', 'fork');

describe('what a node goes by', () => {
  test('is the same, or of an epoch that is not known here', async () => {
    const client = library.client([server.url], two);
    expect(await client.hear({ epoch, digest: digestOf(chain) })).toBe('unknown');
    await client.current();
    const before = server.requests.length;
    expect(await client.hear({ epoch, digest: digestOf(chain) })).toBe('same');
    expect(await client.hear({ epoch: epoch + 1, digest: 'a'.repeat(64) })).toBe('unknown');
    expect(await client.hear({ epoch: epoch - 1, digest: 'a'.repeat(64) })).toBe('unknown');
    expect(server.requests.length).toBe(before);
    // the next process knows it as well, and this one what came before it
    expect(await library.client([server.url], two).hear({ epoch, digest: digestOf(chain) })).toBe('same');
    chain.issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    await client.current();
    expect(await client.hear({ epoch, digest: chain.leaves[1]?.digest ?? '' })).toBe('same');
    // in the next run too
    const restarted = library.client([server.url], two);
    expect(await restarted.hear({ epoch, digest: chain.leaves[1]?.digest ?? '' })).toBe('same');
    expect(await restarted.hear({ epoch, digest: 'a'.repeat(64) })).toBe('other');
  });

  test('is held against what was fetched ahead as well', async () => {
    const client = library.client([server.url], two);
    await client.renew();
    chain.issue(epoch + 1);
    library.clock.moveTo(client.renewAt());
    await client.renew();
    expect(await client.hear({ epoch: epoch + 1, digest: digestOf(chain) })).toBe('same');
    expect(await client.hear({ epoch: epoch + 1, digest: 'a'.repeat(64) })).toBe('other');
    const restarted = library.client([server.url], two);
    expect(await restarted.hear({ epoch: epoch + 1, digest: 'a'.repeat(64) })).toBe('other');
    expect(await restarted.hear({ epoch: epoch + 1, digest: digestOf(chain) })).toBe('same');
  });

  test('is another one: what is behind it is found, proves it to anybody, and stops the reader for good', async () => {
    const { log, lines } = keepingLog();
    const showing = await library.serving(other.serve());
    const client = library.client([server.url], { ...two, log });
    await client.current();
    expect(await client.hear({ epoch, digest: digestOf(other) })).toBe('other');
    const reaching = library.client([server.url, showing.url], { ...two, log });
    expect(await reaching.hear({ epoch, digest: digestOf(other) })).toBe('fork');
    expect(lines).toContainEqual({
      level: 'error',
      event: 'authorities have signed two documents',
      fields: { by: 'authority1.test authority2.test' },
    });
    const proof = JSON.parse(await readFile(proofPath(), 'utf8'));
    expect(proof.since).toBe(start / 1_000);
    expect(verifyEquivocation(proof, trust)).toMatchObject({
      kind: 'equivocation',
      of: 'epoch',
      epochs: [epoch, epoch],
      digests: [digestOf(chain), digestOf(other)],
      signedBy: ['authority1.test', 'authority2.test'],
    });

    for (const one of [client, reaching, library.client([server.url], two)])
      for (const use of [() => one.current(), () => one.refresh(), () => one.renew()])
        await expect(use()).rejects.toMatchObject({
          code: 'fork',
          message: expect.stringContaining(
            `found at 1970-02-11T16:01:00.000Z; the proof lies in ${proofPath()}`,
          ),
        });
    await rm(proofPath());
    expect(await epochOf(library.client([server.url], two))).toBe(epoch);
  });

  test('is another one: nobody gets what they were waiting for meanwhile', async () => {
    const client = library.client([server.url], two);
    await client.current();
    const gate = Promise.withResolvers<void>();
    const before = server.requests.length;
    server.answer = (request, response) =>
      request.url === `/v1/consensus/${epoch}`
        ? other.serve()(request, response)
        : void gate.promise.then(() => chain.serve()(request, response));
    const refreshed = client.refresh().catch((error: unknown) => error);
    await vi.waitFor(() => expect(server.requests.length).toBe(before + 1));
    expect(await client.hear({ epoch, digest: digestOf(other) })).toBe('fork');
    gate.resolve();
    expect(await refreshed).toMatchObject({ code: 'fork' });
  });

  test('A6 is asked about once in a while only, whatever nodes say', async () => {
    const client = library.client([server.url], two);
    await client.current();
    const before = server.requests.length;
    const hear = (digit: string): Promise<string> => client.hear({ epoch, digest: digit.repeat(64) });
    expect(await Promise.all(['a', 'b', 'c', 'd'].map(hear))).toEqual(Array(4).fill('other'));
    expect(await hear('e')).toBe('other');
    expect(server.requests.slice(before).map(({ url }) => url)).toEqual([`/v1/consensus/${epoch}`]);
    library.clock.advance(60_000);
    expect(await hear('a')).toBe('other');
    expect(server.requests.length).toBe(before + 2);
    expect(await epochOf(client)).toBe(epoch);
  });

  test('is asked about again though the clock was set back', async () => {
    const client = library.client([server.url], two);
    await client.current();
    library.clock.advance(1_000);
    expect(await client.hear({ epoch, digest: digestOf(other) })).toBe('other');
    library.clock.advance(-1_000);
    server.answer = other.serve();
    expect(await client.hear({ epoch, digest: digestOf(other) })).toBe('fork');
  });

  test('is not proven by what too few have signed', async () => {
    const client = library.client([server.url], two);
    await client.current();
    const few = createChain([ours], { leaves: chain.leaves.slice(0, 1), documents: new Map() });
    few.issue(epoch, { meanDelayMs: 7 });
    server.answer = few.serve();
    expect(await client.hear({ epoch, digest: digestOf(few) })).toBe('other');
    expect(await epochOf(client)).toBe(epoch);
  });
});

describe('a proof is kept as well', () => {
  test('of what a directory has shown', async () => {
    const client = library.client([server.url], two);
    await client.current();
    server.answer = other.serve();
    await expect(client.refresh()).rejects.toMatchObject({ code: 'fork' });
    const proof = JSON.parse(await readFile(proofPath(), 'utf8'));
    expect(verifyEquivocation(proof, trust)).toMatchObject({ of: 'epoch' });
    await expect(client.current()).rejects.toThrow('the proof lies in');
  });

  test('of two that two directories have shown to one who had seen none', async () => {
    library.clock.moveTo((epoch + 1) * hour);
    const showing = await library.serving(other.serve());
    await expect(library.client([server.url, showing.url], two).current()).rejects.toMatchObject({
      code: 'fork',
    });
    expect(verifyEquivocation(JSON.parse(await readFile(proofPath(), 'utf8')), trust)).toMatchObject({
      of: 'epoch',
    });
  });

  test('of a second history, by what whoever serves it has for the epoch at hand', async () => {
    const client = library.client([server.url], two);
    await client.current();
    other.issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = other.serve();
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    const proof = JSON.parse(await readFile(proofPath(), 'utf8'));
    expect(verifyEquivocation(proof, trust)).toMatchObject({ of: 'epoch', epochs: [epoch, epoch] });
    expect(proof.proven).toBe(true);
    expect(askedOf(server)).toBeGreaterThan(1);
  });

  const kept = { since: start / 1_000, documents: [], certificates: [], proven: false };
  test.each([
    'x',
    'null',
    '{}',
    '[]',
    ...[
      { since: 'x' },
      { since: -1 },
      { since: 0.5 },
      { since: 8_640_000_000_001 },
      { since: undefined },
      { documents: 'x' },
      { documents: [1] },
      { certificates: undefined },
      { proven: 'x' },
    ].map((change) => JSON.stringify({ ...kept, ...change })),
  ])('and one that is damaged stops the reader all the same: %s', async (damaged) => {
    const client = library.client([server.url], two);
    await client.current();
    await writeFile(proofPath(), JSON.stringify(kept));
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    await writeFile(proofPath(), damaged);
    server.answer = text('');
    await expect(client.current()).rejects.toMatchObject({ code: 'wrong-cache' });
  });
});

describe('a history that contradicts the one that was seen, of which nobody shows more', () => {
  /** Serves all but the consensus of the epoch at hand. */
  const hiding =
    (serve: RequestListener): RequestListener =>
    (request, response) =>
      request.url === `/v1/consensus/${epoch}` ? text('', 404)(request, response) : serve(request, response);

  test('stops the reader for good as well, with what there is of it', async () => {
    const { log, lines } = keepingLog();
    const client = library.client([server.url], { ...two, log });
    await client.current();
    other.issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = hiding(other.serve());
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    expect(lines).toContainEqual({
      level: 'error',
      event: 'authorities have signed a document that contradicts an earlier one',
      fields: { by: 'authority1.test authority2.test' },
    });
    const kept = JSON.parse(await readFile(proofPath(), 'utf8'));
    expect(kept).toMatchObject({
      since: (epoch + 1) * epochSeconds,
      documents: [chain.documents.get(epoch), other.documents.get(epoch + 1)],
      proven: false,
    });
    expect(verifyEquivocation(kept, trust)).toMatchObject({ kind: 'refused' });

    chain.issue(epoch + 1);
    server.answer = chain.serve();
    for (const one of [client, library.client([server.url], two)])
      for (const use of [() => one.current(), () => one.refresh(), () => one.renew(), () => one.parameters()])
        await expect(use()).rejects.toMatchObject({
          code: 'fork',
          message: expect.stringMatching(/contradicts one that was taken before.*; it lies in .*fork$/),
        });
    expect(client.archive.documents().size).toBe(0);
    await rm(proofPath());
    expect(await epochOf(library.client([server.url], two))).toBe(epoch + 1);
  });

  test('has its place taken by a proof that comes later', async () => {
    const client = library.client([server.url], two);
    await client.current();
    other.issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = hiding(other.serve());
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    server.answer = other.serve();
    expect(await client.hear({ epoch, digest: other.leaves[1]?.digest ?? '' })).toBe('fork');
    expect(verifyEquivocation(JSON.parse(await readFile(proofPath(), 'utf8')), trust)).toMatchObject({
      kind: 'equivocation',
    });
  });

  test.each<[string, () => RequestListener]>([
    [
      'too few have signed',
      () => {
        const few = createChain([ours], { leaves: other.leaves, documents: other.documents });
        few.issue(epoch + 1);
        return few.serve();
      },
    ],
    [
      'was altered after it was signed',
      () => text(chain.issue(epoch + 1).replace(/"previous":"[0-9a-f]{8}/, '"previous":"00000000')),
    ],
  ])('A9 stops nobody when it %s', async (_, serving) => {
    const client = library.client([server.url], two);
    await client.current();
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = serving();
    expect(await epochOf(client)).toBe(epoch);
    await expect(readFile(proofPath())).rejects.toMatchObject({ code: 'ENOENT' });
    if (!chain.documents.has(epoch + 1)) chain.issue(epoch + 1);
    server.answer = chain.serve();
    library.clock.advance(30_000);
    expect(await epochOf(client)).toBe(epoch + 1);
  });
});

describe('a fork that cannot be kept', () => {
  const folder = (): string => join(library.folder, 'cache');

  test('stops the reader all the same, and is kept once it can be', async () => {
    const { log, lines } = keepingLog();
    const client = library.client([server.url], { ...two, log });
    await client.current();
    await chmod(folder(), 0o755);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = other.serve();
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    expect(lines).toContainEqual({
      level: 'error',
      event: 'what shows a fork is not kept',
      fields: { code: 'wrong-cache' },
    });
    chain.issue(epoch + 1);
    server.answer = chain.serve();
    for (const use of [() => client.current(), () => client.refresh(), () => client.renew()])
      await expect(use()).rejects.toMatchObject({
        code: 'fork',
        message: expect.stringContaining('it cannot be kept'),
      });
    expect(client.archive.documents().size).toBe(0);
    await chmod(folder(), 0o700);
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    await expect(library.client([server.url], two).current()).rejects.toMatchObject({ code: 'fork' });
    expect(verifyEquivocation(JSON.parse(await readFile(proofPath(), 'utf8')), trust)).toMatchObject({
      kind: 'equivocation',
    });
  });

  test('stops the reader where what is stored cannot be read', async () => {
    const client = library.client([server.url], two);
    await client.current();
    await mkdir(join(folder(), `consensus-${epoch - 2}`));
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = other.serve();
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    server.answer = chain.serve();
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    expect(JSON.parse(await readFile(proofPath(), 'utf8')).documents).toEqual([other.documents.get(epoch)]);
  });

  test('is one to whoever hears of it', async () => {
    const client = library.client([server.url], two);
    await client.current();
    await chmod(folder(), 0o755);
    server.answer = other.serve();
    expect(await client.hear({ epoch, digest: digestOf(other) })).toBe('fork');
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
  });
});
