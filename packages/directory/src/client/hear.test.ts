import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAuthorityKey, verifyEquivocation } from '@postern/protocol/consensus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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

  test('but not of a history that does not follow on what was seen', async () => {
    const client = library.client([server.url], two);
    await client.current();
    other.issue(epoch + 1);
    library.clock.moveTo((epoch + 1) * hour);
    server.answer = other.serve();
    await expect(client.current()).rejects.toMatchObject({ code: 'fork' });
    await expect(readFile(proofPath())).rejects.toMatchObject({ code: 'ENOENT' });
    expect(askedOf(server)).toBeGreaterThan(1);
  });

  test('and one that is damaged stops the reader all the same', async () => {
    const client = library.client([server.url], two);
    await client.current();
    await writeFile(proofPath(), 'x');
    server.answer = text('');
    await expect(client.current()).rejects.toMatchObject({ code: 'wrong-cache' });
  });
});
