import type { RequestListener } from 'node:http';
import { verifyEquivocation } from '@postern/protocol/consensus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditing, chainOf, third, trust } from '../testing/audits.ts';
import { createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { type Library, openLibrary, others, ours } from '../testing/readers.ts';
import type { Report } from './findings.ts';

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const serving = async (answer: RequestListener): Promise<string> => (await library.serving(answer)).url;

const hour = epochSeconds * 1_000;

describe('authorities that have signed two documents', () => {
  test('for one epoch: who has seen one refuses the other, the audit proves it, the keys alone verify the proof', async () => {
    const chain = chainOf(6);
    const victims = chain.branch();
    const [shown, hidden] = [chain.issue(1_000), victims.issue(1_000, { meanDelayMs: 1 })];
    victims.issue(1_001);
    chain.issue(1_001);
    const server = await library.serving(chain.serve(shown));
    const client = { authorities: [ours, others, third].map(({ vkey }) => vkey), threshold: 2 };
    await library.client([server.url], client).current();
    for (const [time, answer] of [
      [start, victims.serve(hidden)],
      [1_001 * hour, victims.serve()],
    ] as const) {
      library.clock.moveTo(time);
      server.answer = answer;
      await expect(library.client([server.url], client).refresh()).rejects.toMatchObject({ code: 'fork' });
    }

    const urls = [await serving(chain.serve()), await serving(victims.serve())] as const;
    const { proofs, findings } = await auditing(urls);
    expect(proofs).toMatchObject([
      { urls, documents: [shown, hidden], verdict: { of: 'epoch', epochs: [1_000, 1_000] } },
      { verdict: { of: 'epoch', epochs: [1_001, 1_001] } },
    ]);
    expect(findings).toEqual([
      { url: urls[1], reason: 'other-history', detail: expect.stringContaining(urls[0]) },
    ]);
    for (const { documents, certificates } of JSON.parse(JSON.stringify(proofs)) as Report['proofs'])
      expect(verifyEquivocation({ documents, certificates }, trust)).toMatchObject({
        kind: 'equivocation',
        signedBy: [ours.name, others.name],
      });
  });

  test('for one place in the log prove it as well', async () => {
    const chain = chainOf(6);
    const other = chain.branch();
    const documents = [chain.issue(1_000), other.issue(1_001)];
    const { proofs } = await auditing([await serving(chain.serve()), await serving(other.serve())]);
    expect(proofs).toMatchObject([{ documents, verdict: { of: 'place', epochs: [1_000, 1_001] } }]);
  });

  test('are held against each other, not only against what the first URL has', async () => {
    const chain = chainOf(6);
    const other = chain.branch();
    const further = chain.branch();
    chain.issue(1_000);
    const shown = other.issue(1_001);
    further.fill(1);
    const hidden = further.issue(1_001);
    const urls = [await serving(chain.serve()), await serving(other.serve(hidden))];
    const { proofs } = await auditing(urls);
    expect(proofs).toMatchObject([
      { verdict: { of: 'place', epochs: [1_000, 1_001] } },
      { documents: [shown, hidden], urls: [urls[1], urls[1]], verdict: { of: 'epoch' } },
    ]);
  });

  test('of which one is shown as the newest alone, beside a log that does not have it', async () => {
    const chain = chainOf(6);
    const hidden = chain.branch().issue(1_000, { meanDelayMs: 1 });
    chain.issue(1_000);
    const url = await serving(chain.serve(hidden));
    const { proofs, findings } = await auditing([url]);
    expect(proofs).toMatchObject([{ urls: [url, url], verdict: { of: 'epoch' } }]);
    expect(findings).toMatchObject([{ reason: 'not-in-log', epoch: 1_000 }]);
  });

  test('are not said to have when too few of them have signed the second', async () => {
    const chain = chainOf(6);
    const alone = createChain([third], chain);
    chain.issue(1_000);
    alone.issue(1_000, { meanDelayMs: 1 });
    const { proofs, findings } = await auditing([await serving(chain.serve()), await serving(alone.serve())]);
    expect(proofs).toEqual([]);
    expect(findings.map(({ reason }) => reason).sort()).toEqual([
      'bad-document',
      'bad-document',
      'other-history',
    ]);
  });
});
