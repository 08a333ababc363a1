import type { RequestListener } from 'node:http';
import { decodeConsensus } from '@postern/protocol/consensus';
import { composite } from '@postern/protocol/primitives';
import { testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { auditing, third } from '../testing/audits.ts';
import { ballotsFor, secretOf, voteOf } from '../testing/ballots.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { start } from '../testing/clock.ts';
import { type Library, openLibrary, others, ours } from '../testing/readers.ts';
import type { TestServer } from '../testing/servers.ts';
import type { Proof } from './findings.ts';

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const record = /^\/v1\/agreement\/(\d+)$/;

/** Serves a chain, and what was said for some epochs. */
function keeping(
  chain: Chain,
  kept: Readonly<Record<number, { votes?: readonly string[]; documents?: readonly string[] }>>,
): Promise<TestServer> {
  const good = chain.serve();
  return library.serving((request, response) => {
    const one = kept[Number(record.exec(request.url ?? '')?.[1])];
    if (one === undefined) return good(request, response);
    response.end(JSON.stringify({ votes: [], reveals: [], documents: [], ...one }));
  });
}

const askedFor = ({ requests }: TestServer): number[] =>
  requests.flatMap(({ url = '' }) => record.exec(url)?.[1] ?? []).map(Number);

const [epoch, between] = [998, 995];
const chainOfTwo = (): Chain => {
  const chain = createChain([ours, others]);
  for (const at of [990, epoch]) chain.issue(at);
  return chain;
};

/** Two documents that both have signed for an epoch of which there is no consensus. */
function rivals(at: number, count = 2): string[] {
  const chain = createChain([ours, others]);
  chain.issue(990);
  return Array.from({ length: count }, (_, which) => chain.branch().issue(at, { meanDelayMs: 1 + which }));
}

const digestsOf = (documents: readonly string[]): (string | undefined)[] =>
  documents.map((signed) => decodeConsensus(signed)?.digest);

const provenOf = (proofs: readonly Proof[], of: 'epoch' | 'place'): (readonly string[])[] =>
  proofs.flatMap(({ verdict }) => (verdict.of === of ? [verdict.digests] : []));

describe('of epochs without a consensus', () => {
  test.each([
    ['between two that have one', between],
    ['after the last that has one', 1_000],
  ])('it is looked at what was said: %s', async (_, at) => {
    const votes = [1, 2].map((meanDelayMs) => voteOf(ours, at, secretOf(0), { meanDelayMs }));
    const [one, other] = [
      { votes: votes.slice(0, 1), documents: rivals(at).slice(0, 1) },
      { votes: votes.slice(1), documents: rivals(at).slice(1) },
    ];
    const servers = [
      await keeping(chainOfTwo(), { [at]: one }),
      await keeping(chainOfTwo(), { [at]: other }),
    ];
    const { audited, findings, proofs } = await auditing(servers.map(({ url }) => url));
    expect(audited.map(({ verified }) => verified)).toEqual([2, 2]);
    expect(findings).toMatchObject([{ reason: 'equivocation', epoch: at, authority: ours.name }]);
    expect(provenOf(proofs, 'epoch')).toEqual([digestsOf(rivals(at))]);
    for (const { verdict } of proofs) expect(verdict.signedBy).toEqual([ours.name, others.name]);
  });

  test('nobody has it ended sooner by a later one that cannot be verified', async () => {
    const now = Math.floor(start / 1_000);
    const former = [ours, others].map(({ name }) => testAuthority(name, { now, generation: 7 }));
    const later = createChain(former, chainOfTwo());
    later.issue(5_000);
    const hostile = createChain([ours, others], later);
    const votes = [1, 2].map((meanDelayMs) => voteOf(ours, 1_000, secretOf(0), { meanDelayMs }));
    const servers = [await keeping(hostile, {}), await keeping(chainOfTwo(), { 1000: { votes } })];
    const { findings } = await auditing(servers.map(({ url }) => url));
    expect(findings.map(({ reason, epoch }) => `${reason} ${epoch}`)).toContain('equivocation 1000');
  });

  test('not more are asked about than 256 in a row, and none that is not to be verified', async () => {
    const chain = createChain([ours, others]);
    for (const at of [10, 700]) chain.issue(at);
    const server = await keeping(chain, {});
    await auditing([server.url]);
    const range = (from: number, to: number): number[] =>
      Array.from({ length: to - from }, (_, at) => from + at);
    expect(askedFor(server)).toEqual([10, ...range(11, 267), 700, ...range(701, 957)]);
    server.requests.length = 0;
    await auditing([server.url], { since: 264, until: 704 });
    expect(askedFor(server)).toEqual([264, 265, 266, 700, 701, 702, 703, 704]);
  });
});

describe('a record that has more than there can be', () => {
  test('of documents is looked at as far as there may be some, each against the first', async () => {
    const documents = rivals(between, 20);
    const { url } = await keeping(chainOfTwo(), { [between]: { documents } });
    const { findings, proofs } = await auditing([url]);
    expect(findings).toEqual([
      { url, reason: 'bad-record', epoch: between, detail: 'its record has more than 8 documents' },
    ]);
    const [first, ...more] = digestsOf(documents.slice(0, 8));
    expect(provenOf(proofs, 'epoch')).toEqual(more.map((one) => [first, one]));
    expect(provenOf(proofs, 'place')).toHaveLength(8);
  });

  test('of documents that one authority alone has signed tells of a few', async () => {
    const from = createChain([ours, others]);
    from.issue(990);
    const chain = createChain([ours], from);
    const documents = Array.from({ length: 20 }, (_, at) =>
      chain.branch().issue(between, { meanDelayMs: 1 + at }),
    );
    const { url } = await keeping(chainOfTwo(), { [between]: { documents } });
    const { findings } = await auditing([url]);
    expect(findings.map(({ reason }) => reason)).toEqual(['bad-record', ...Array(7).fill('signed-twice')]);
  });

  test('of votes is looked at no further, and what was seen counts', async () => {
    const votes = Array.from({ length: 20 }, (_, at) =>
      voteOf(ours, between, secretOf(0), { meanDelayMs: 1 + at }),
    );
    const { url } = await keeping(chainOfTwo(), { [between]: { votes } });
    const verify = vi.spyOn(composite, 'verify');
    const { findings } = await auditing([url]);
    const verifications = verify.mock.calls.length;
    verify.mockRestore();
    expect(findings).toMatchObject([
      {
        reason: 'bad-record',
        detail: 'its record has more than 2 votes of one authority in one slot',
      },
      { reason: 'equivocation', evidence: { notes: votes.slice(0, 2) } },
    ]);
    // four signatures of two consensuses and of the newest one, one of the checkpoint, two certificates; and of two votes one each, with a certificate
    expect(verifications).toBeLessThan(16);
  });
});

test('what says that it is a vote, and of which slot it does not, takes no room of those of the first', async () => {
  const none = Array.from(
    { length: 3 },
    (_, at) => `postern.vote/v1\n{"authority":"${ours.name}","at":${at}}\n`,
  );
  const votes = [1, 2].map((meanDelayMs) => voteOf(ours, between, secretOf(0), { meanDelayMs }));
  const { url } = await keeping(chainOfTwo(), { [between]: { votes: [...none, ...votes] } });
  const { findings } = await auditing([url]);
  expect(findings).toMatchObject([{ reason: 'equivocation', evidence: { notes: votes } }]);
});

test('a vote that several URLs have kept, and one of them often, is verified once', async () => {
  const { votes } = ballotsFor(between, [ours, others, third]);
  const copies = Array.from({ length: 20 }, () => votes).flat();
  const verificationsOf = async (kept: readonly (readonly string[])[]): Promise<number> => {
    const urls = await Promise.all(
      kept.map(async (one) => (await keeping(chainOfTwo(), { [between]: { votes: one } })).url),
    );
    const verify = vi.spyOn(composite, 'verify');
    const { findings } = await auditing(urls);
    const { length } = verify.mock.calls;
    verify.mockRestore();
    expect(findings).toEqual([]);
    return length;
  };
  expect(await verificationsOf([copies, votes])).toBe(await verificationsOf([votes, []]));
});

describe('a URL that keeps failing does not keep the others', () => {
  const failing = async (answer: RequestListener): Promise<TestServer> => {
    const chain = createChain([ours, others]);
    for (const at of [700, 980]) chain.issue(at);
    const good = chain.serve();
    return library.serving((request, response) =>
      record.test(request.url ?? '') ? answer(request, response) : good(request, response),
    );
  };

  test('with records that are none', async () => {
    const good = await failing((_, response) => response.writeHead(403).end());
    const bad = await failing((_, response) => response.writeHead(500).end());
    const { audited, findings } = await auditing([good.url, bad.url]);
    expect(audited).toMatchObject([{ verified: 2 }, {}]);
    expect(findings).toMatchObject([{ url: bad.url, reason: 'too-many' }]);
    expect(askedFor(bad)).toHaveLength(256);
  });

  test('with no answers', async () => {
    const good = await failing((_, response) => response.writeHead(404).end());
    const silent = await failing((request) => request.socket.destroy());
    const { audited, findings } = await auditing([good.url, silent.url]);
    expect(audited).toMatchObject([{ verified: 2 }, {}]);
    expect(findings).toMatchObject([{ url: silent.url, reason: 'not-served' }]);
    expect(new Set(askedFor(silent)).size).toBe(16);
  });
});

test('of proofs there are sixteen, each told once it is found', async () => {
  const chain = createChain([ours, others]);
  const other = chain.branch();
  for (let at = 900; at < 920; at++) {
    chain.issue(at);
    other.issue(at, { meanDelayMs: 1 });
  }
  const urls = [(await keeping(chain, {})).url, (await keeping(other, {})).url];
  const told: [place: number, epoch: number][] = [];
  let places = 0;
  const { proofs } = await auditing(urls, {
    onProgress: () => void places++,
    onProof: ({ verdict }) => told.push([places, verdict.epochs[0]]),
  });
  expect(told).toEqual(Array.from({ length: 16 }, (_, at) => [at, 900 + at]));
  expect(proofs).toHaveLength(16);
});
