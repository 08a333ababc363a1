import type { RequestListener } from 'node:http';
import { type Agenda, type Equivocation, sharedValue, verifyEquivocation } from '@postern/protocol/consensus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditing } from '../testing/audits.ts';
import { ballotsFor, countedOf, revealOf, secretOf, voteOf } from '../testing/ballots.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { type Library, openLibrary, others, ours } from '../testing/readers.ts';
import type { Evidence } from './findings.ts';

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const serving = async (answer: RequestListener): Promise<string> => (await library.serving(answer)).url;

describe('what a consensus was counted from', () => {
  const epoch = 1_000;
  const signers = [ours, others];
  const pair = { authorities: signers.map(({ key }) => key) };
  const { votes, reveals, named } = ballotsFor(epoch, signers);
  const keeping = (chain: Chain, record: object | undefined): Promise<string> =>
    serving((request, response) => {
      if (request.url !== `/v1/agreement/${epoch}`) return chain.serve()(request, response);
      response.writeHead(record === undefined ? 404 : 200).end(JSON.stringify(record));
    });
  const later = voteOf(others, epoch, secretOf(1), { slot: 1 });
  const uncommitted = revealOf(ours, epoch, 'cc'.repeat(32));

  test.each<[string, number, RegExp | undefined, Partial<Agenda>, object | undefined]>([
    ['is counted again', 1, undefined, {}, { votes, reveals }],
    ['is not when nothing of it is kept', 0, undefined, {}, undefined],
    ['is not when a vote is missing', 0, undefined, {}, { votes: votes.slice(1), reveals }],
    ['is not when it is no record', 0, undefined, {}, { votes: 'x' }],
    ['comes to another delay', 0, /another meanDelayMs$/, { meanDelayMs: 1 }, { votes, reveals }],
    ['comes to another draw', 0, /another shared$/, { shared: new Uint8Array(32) }, { votes, reveals }],
    [
      'is of two slots',
      0,
      /not all of its votes and reveals are of one slot$/,
      { votes: countedOf([votes[0] ?? '', later], signers) },
      { votes: [votes[0], later], reveals },
    ],
    [
      'is fewer votes than have to count',
      0,
      /names 1 votes, 2 have to count$/,
      { votes: countedOf(votes, signers).slice(0, 1), reveals: [], shared: sharedValue(epoch, '', []) },
      { votes, reveals },
    ],
    [
      'was not committed to',
      0,
      /authority1\.test has not committed itself/,
      { reveals: countedOf([uncommitted], signers) },
      { votes, reveals: [uncommitted] },
    ],
  ])('%s', async (_, recounted, detail, change, record) => {
    const chain = createChain([ours, others]);
    chain.issue(epoch, { ...named, ...change });
    const url = await keeping(chain, record && { documents: [], ...record });
    const { audited, findings } = await auditing([url], pair);
    expect(audited).toMatchObject([{ verified: 1, recounted }]);
    expect(findings.map((one) => ({ ...one, detail: detail?.test(one.detail) }))).toEqual(
      detail === undefined ? [] : [{ url, reason: 'wrong-count', epoch, detail: true }],
    );
  });

  test('is no consensus of votes of which too few say the same of one thing', async () => {
    const chain = createChain([ours, others]);
    const faster = voteOf(others, epoch, secretOf(1), { meanDelayMs: 1 });
    const two = [votes[0] ?? '', faster];
    chain.issue(epoch, { ...named, votes: countedOf(two, signers) });
    const url = await keeping(chain, { votes: two, reveals, documents: [] });
    const detail = 'of meanDelayMs no 2 of its votes say the same';
    expect((await auditing([url])).findings).toEqual([{ url, reason: 'wrong-count', epoch, detail }]);
    // where both have to sign neither is faulty, and the first by its JSON counts
    const counted = /another meanDelayMs$/;
    expect((await auditing([url], pair)).findings).toMatchObject([
      { detail: expect.stringMatching(counted) },
    ]);
  });

  test('is held against what other URLs have kept: two votes of one in a slot, two documents', async () => {
    const chain = createChain([ours, others]);
    const other = chain.branch();
    chain.issue(epoch, named);
    const twice = voteOf(ours, epoch, secretOf(0), { meanDelayMs: 1 });
    // one signature of it is at one URL, the other at another
    const hidden = [ours, others].map((signer) =>
      createChain([signer], other).issue(epoch, { meanDelayMs: 1 }),
    );
    const tried = createChain([ours], other).issue(epoch, { meanDelayMs: 2 });
    const urls = [
      await keeping(chain, { votes, reveals, documents: [hidden[0]] }),
      await keeping(chain, { votes: [twice], reveals: [], documents: [hidden[1], tried] }),
    ];
    const { audited, findings, proofs } = await auditing(urls, pair);
    expect(audited).toMatchObject([{ recounted: 1 }, { recounted: 0 }]);
    expect(findings).toMatchObject([
      { url: urls[1], reason: 'equivocation', epoch, detail: expect.stringContaining(ours.name) },
      { url: urls[1], reason: 'signed-twice', epoch, detail: expect.stringContaining(ours.name) },
    ]);
    // what a minority has signed is proven as well, to whoever has its key alone
    const [votedTwice, signedTwice] = findings.map(({ evidence }) => evidence as Evidence);
    expect(votedTwice).toMatchObject({ urls, notes: [votes[0], twice], certificates: [] });
    const { notes: documents, certificates } = signedTwice as Evidence;
    const alone = { authorities: [ours.key], threshold: 1 };
    expect(verifyEquivocation({ documents, certificates }, alone)).toMatchObject({
      kind: 'equivocation',
      signedBy: [ours.name],
    });
    expect(proofs).toMatchObject([
      { verdict: { of: 'epoch', epochs: [epoch, epoch], signedBy: [ours.name, others.name] } },
    ]);
    expect(verifyEquivocation(proofs[0] as Equivocation, { ...pair, threshold: 2 }).kind).toBe(
      'equivocation',
    );
  });
});
