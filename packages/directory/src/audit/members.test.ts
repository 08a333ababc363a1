import type { RequestListener } from 'node:http';
import { testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditing } from '../testing/audits.ts';
import { type Ballots, ballotsFor } from '../testing/ballots.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { start } from '../testing/clock.ts';
import { type Library, openLibrary } from '../testing/readers.ts';
import type { AuditOptions } from './audit.ts';

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const all = [1, 2, 3, 4, 5].map((at) =>
  testAuthority(`authority${at}.test`, { now: Math.floor(start / 1_000) }),
);
const byThe = (count: number): Pick<AuditOptions, 'authorities' | 'threshold'> => ({
  authorities: all.slice(0, count).map(({ key }) => key),
  threshold: Math.floor(count / 2) + 1,
});

/** Serves a history with what was said for some epochs, and the certificates of all. */
async function serving(chain: Chain, records: ReadonlyMap<number, Ballots> = new Map()): Promise<string> {
  const answer: RequestListener = (request, response) => {
    const url = request.url ?? '';
    const record = records.get(Number(/^\/v1\/agreement\/(\d+)$/.exec(url)?.[1]));
    if (url === '/v1/certificates/all')
      return response.end(JSON.stringify(all.map(({ certificate }) => certificate)));
    if (record === undefined) return chain.serve()(request, response);
    response.end(JSON.stringify({ votes: record.votes, reveals: record.reveals, documents: [] }));
  };
  return (await library.serving(answer)).url;
}

/** Epochs 900 to 904 by the first few, 905 to 907 by as many more as have to sign then. */
function grown(from: number, to: number): Chain {
  const before = createChain(all.slice(0, Math.floor(from / 2) + 1));
  for (let epoch = 900; epoch < 905; epoch++) before.issue(epoch);
  const after = createChain(all.slice(0, Math.floor(to / 2) + 1), before);
  for (let epoch = 905; epoch < 908; epoch++) after.issue(epoch);
  return after;
}

describe('authorities that have become more', () => {
  test.each([
    [1, 3],
    [3, 5],
  ])('from %i to %i: since then all is verified, before then order and digests', async (from, to) => {
    const url = await serving(grown(from, to));
    const since = await auditing([url], { ...byThe(to), since: 905 });
    expect(since).toMatchObject({ audited: [{ size: 8, verified: 3, linked: 5 }], findings: [] });
    const until = await auditing([url], { ...byThe(from), until: 904 });
    expect(until).toMatchObject({ audited: [{ size: 8, verified: 5, linked: 3 }], findings: [] });
    const whole = await auditing([url], byThe(to));
    expect(whole.audited).toMatchObject([{ verified: 3, linked: 0 }]);
    expect(whole.findings.map(({ reason }) => reason)).toEqual(Array(5).fill('bad-document'));
  });

  test('are counted by their number since then, and by the former number before', async () => {
    const records = new Map<number, Ballots>();
    const agreed = (chain: Chain, epoch: number, voters: number): void => {
      const previous = chain.leaves.at(-1)?.digest ?? '';
      const ballots = ballotsFor(epoch, all.slice(0, voters), { previous });
      records.set(epoch, ballots);
      chain.issue(epoch, ballots.named);
    };
    // all three have signed, so that it holds for five as well; two votes were enough
    const before = createChain(all.slice(0, 3));
    for (const epoch of [900, 901]) agreed(before, epoch, 2);
    const after = createChain(all.slice(0, 3), before);
    for (const epoch of [902, 903]) agreed(after, epoch, 3);
    const url = await serving(after, records);
    const since = await auditing([url], { ...byThe(5), since: 902 });
    expect(since).toMatchObject({ audited: [{ verified: 2, linked: 2, recounted: 2 }], findings: [] });
    const until = await auditing([url], { ...byThe(3), until: 901 });
    expect(until).toMatchObject({ audited: [{ verified: 2, linked: 2, recounted: 2 }], findings: [] });
    expect((await auditing([url], byThe(5))).findings).toMatchObject(
      [900, 901].map((epoch) => ({
        reason: 'wrong-count',
        epoch,
        detail: 'it names 2 votes, 3 have to count',
      })),
    );
  });
});

describe('a consensus that is held against no signatures', () => {
  /** All but one document, in whose place there is another, or none. */
  const changed = async (epoch: number, body: string | undefined): Promise<string> => {
    const chain = grown(1, 3);
    const documents = new Map(chain.documents);
    if (body === undefined) documents.delete(epoch);
    else documents.set(epoch, body);
    return serving(createChain(all.slice(0, 2), { ...chain, documents }));
  };
  const other = createChain(all.slice(0, 3)).issue(902);
  test.each([
    ['is not there', undefined, 'not-served'],
    ['is another', other, 'other-document'],
    ['is none', 'x', 'bad-document'],
  ])('has to be the one in the log: it %s', async (_, body, reason) => {
    const url = await changed(902, body);
    expect(await auditing([url], { ...byThe(3), since: 905 })).toMatchObject({
      audited: [{ verified: 3, linked: 4 }],
      findings: [{ url, reason, epoch: 902 }],
    });
  });

  test('counts for nothing where nothing that is signed comes after it', async () => {
    const url = await serving(grown(1, 3));
    expect(await auditing([url], { ...byThe(3), since: 908 })).toMatchObject({
      audited: [{ verified: 0, linked: 8 }],
      findings: [{ url, reason: 'not-served', detail: expect.stringContaining('nothing signed') }],
    });
  });
});
