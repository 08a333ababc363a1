import type { RequestListener } from 'node:http';
import { parseAuthorityKey, signCheckpoint } from '@postern/protocol/consensus';
import { encodeBundle, type Leaf } from '@postern/protocol/log';
import { testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditing, chainOf } from '../testing/audits.ts';
import { issued, openBench, post } from '../testing/authorities.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import { type Library, openLibrary, others, ours } from '../testing/readers.ts';

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const serving = async (answer: RequestListener): Promise<string> => (await library.serving(answer)).url;

const hour = epochSeconds * 1_000;

describe('a history that holds', () => {
  test('is verified whole, from several mirrors, of which one is behind', async () => {
    const chain = chainOf(7);
    const behind = await serving(
      createChain([ours, others], { ...chain, documents: chain.documents }).serve(),
    );
    for (const epoch of [950, 951]) chain.issue(epoch);
    const done: string[] = [];
    const ahead = await serving(chain.serve());
    const report = await auditing([ahead, behind], { onProgress: (at, of) => done.push(`${at}/${of}`) });
    const authority = ours.name;
    expect(report).toEqual({
      audited: [
        { url: ahead, authority, ...chain.log.head(), verified: 9, linked: 0, recounted: 0 },
        { url: behind, authority, size: 7, root: expect.any(String), verified: 7, linked: 0, recounted: 0 },
      ],
      findings: [],
      proofs: [],
    });
    expect(done).toHaveLength(9);
    expect(done.at(-1)).toBe('9/9');
  });

  test('of an authority at work is one, and an empty one too', async () => {
    await using bench = await openBench();
    const authority = await bench.run();
    const by = { authorities: [parseAuthorityKey(authority.vkey)], threshold: 1 };
    expect(await auditing([authority.url], by)).toMatchObject({ audited: [{ size: 0 }], findings: [] });
    for (const at of [1_000, 1_001]) {
      bench.clock.moveTo(start + (at - 1_000) * hour);
      for (const name of ['mix1.test', 'mix2.test', 'mix3.test'])
        await post(authority, signedNode(name, bench.clock.now()));
      await issued(authority, at);
    }
    const now = Math.floor(bench.clock.now() / 1_000);
    const report = await auditing([authority.url], { ...by, now });
    expect(report).toMatchObject({
      audited: [{ size: 2, verified: 2, recounted: 2 }],
      findings: [],
      proofs: [],
    });
  });
});

describe('what does not hold is found', () => {
  const head = chainOf(6).log.head();
  const bundle = (change: (leaves: Leaf[]) => Leaf[]) => (chain: Chain) => ({
    '/v1/log/tile/entries/000.p/6': encodeBundle(change([...chain.leaves])),
  });
  const table: [string, string[], (chain: Chain) => Record<string, string | Uint8Array | undefined>][] = [
    ['a document that is not there', ['not-served'], () => ({ '/v1/consensus/902': undefined })],
    [
      'a document that was altered',
      ['bad-document'],
      (chain) => ({
        '/v1/consensus/902': chain.documents.get(902)?.replace('"meanDelayMs":200', '"meanDelayMs":1'),
      }),
    ],
    [
      'a document by one authority',
      ['bad-document'],
      (chain) => ({
        '/v1/consensus/902': createChain([others], { ...chain, leaves: chain.leaves.slice(0, 2) }).issue(902),
      }),
    ],
    [
      'the document of another epoch',
      ['other-document'],
      (chain) => ({ '/v1/consensus/902': chain.documents.get(901) }),
    ],
    ['a log that is not there', ['not-served'], () => ({ '/v1/log/tile/entries/000.p/6': undefined })],
    ['leaves that are none', ['not-served'], () => ({ '/v1/log/tile/entries/000.p/6': 'x' })],
    ['leaves cut short', ['not-served'], bundle((leaves) => leaves.slice(1))],
    [
      'leaves out of order',
      ['bad-leaf', 'wrong-previous'],
      bundle(([a, b, ...more]) => [b, a, ...more] as Leaf[]),
    ],
    [
      'a leaf that is none of the documents',
      ['other-document', 'wrong-log', 'wrong-log', 'wrong-previous', 'wrong-root', 'wrong-tile'],
      bundle((leaves) => leaves.with(2, { epoch: 902, digest: 'ab'.repeat(32) })),
    ],
    ['a tile that is another', ['wrong-tile'], () => ({ '/v1/log/tile/0/000.p/6': Buffer.alloc(192) })],
    ['a tile that is not there', ['not-served'], () => ({ '/v1/log/tile/0/000.p/6': undefined })],
    [
      'a checkpoint of another root',
      ['wrong-root'],
      () => ({ '/v1/log/checkpoint': signCheckpoint({ ...head, root: 'ab'.repeat(32) }, ours) }),
    ],
    [
      'a checkpoint of a longer log',
      ['not-served'],
      () => ({ '/v1/log/checkpoint': signCheckpoint({ ...head, size: 7 }, ours) }),
    ],
    [
      'a checkpoint of a shorter log',
      ['not-in-log', 'wrong-root'],
      () => ({ '/v1/log/checkpoint': signCheckpoint({ ...head, size: 4 }, ours) }),
    ],
    [
      'a checkpoint of somebody else',
      ['bad-checkpoint'],
      () => ({ '/v1/log/checkpoint': signCheckpoint(head, testAuthority('authority1.test', { seed: 'x' })) }),
    ],
    ['no checkpoint', ['not-served'], () => ({ '/v1/log/checkpoint': undefined })],
    ['a newest consensus that is none', ['bad-document'], () => ({ '/v1/consensus': 'x' })],
    [
      'no certificates',
      ['bad-checkpoint', 'bad-document', 'not-served'],
      () => ({ '/v1/certificates/all': undefined }),
    ],
    [
      'certificates that are none',
      ['bad-checkpoint', 'bad-document', 'not-served'],
      () => ({ '/v1/certificates/all': '{}' }),
    ],
  ];
  test.each(table)('%s: %j', async (_, reasons, change) => {
    const chain = chainOf(6);
    const changed = change(chain);
    const good = chain.serve();
    const url = await serving((request, response) => {
      const path = request.url ?? '';
      if (!Object.hasOwn(changed, path)) return good(request, response);
      response.writeHead(changed[path] === undefined ? 404 : 200).end(changed[path]);
    });
    const { findings, proofs } = await auditing([url]);
    expect(findings.map(({ reason }) => reason).sort()).toEqual(reasons);
    expect(findings.every((one) => one.url === url && one.detail !== '')).toBe(true);
    expect(proofs).toEqual([]);
  });
});

describe('a consensus whose signatures cannot be verified for want of a certificate', () => {
  /** It has changed its key since, and nobody has the certificate of that one any more. */
  const former = testAuthority(others.name, { now: start / 1_000, generation: 7 });

  test('is not held against the URL, however many there are', async () => {
    const old = createChain([ours, former]);
    for (let epoch = 600; epoch < 857; epoch++) old.issue(epoch);
    const chain = createChain([ours, others], old);
    chain.issue(857);
    const url = await serving(chain.serve());
    expect(await auditing([url])).toMatchObject({
      audited: [{ size: 258, verified: 1, linked: 0 }],
      findings: [
        {
          url,
          reason: 'not-served',
          detail: `nobody serves the certificates of keys that ${others.name} signed with: 257 consensuses of epochs 600 to 856 could not be verified`,
        },
      ],
    });
  });

  test('has to be the one in the log all the same, and not to lack signatures beside', async () => {
    const old = createChain([ours, former]);
    for (const epoch of [900, 901, 902]) old.issue(epoch);
    const chain = createChain([ours, others], old);
    chain.issue(903);
    const documents = new Map(chain.documents);
    documents.set(901, createChain([ours, former]).issue(901));
    documents.set(902, createChain([former], { ...old, leaves: old.leaves.slice(0, 2) }).issue(902));
    const { findings } = await auditing([
      await serving(createChain([ours, others], { ...chain, documents }).serve()),
    ]);
    expect(findings.map(({ reason, epoch }) => [reason, epoch])).toEqual([
      ['other-document', 901],
      ['bad-document', 902],
      ['not-served', undefined],
    ]);
  });
});

describe('a hostile authority cannot keep an audit busy', () => {
  test('with a checkpoint of more leaves than it has', async () => {
    const chain = chainOf(3);
    const head = { size: 2 ** 20, root: 'ab'.repeat(32) };
    const url = await serving((request, response) =>
      request.url === '/v1/log/checkpoint'
        ? response.end(signCheckpoint(head, ours))
        : chain.serve()(request, response),
    );
    let steps = 0;
    const { audited, findings } = await auditing([url, await serving(chain.serve())], {
      onProgress: () => steps++,
    });
    expect(audited.map(({ verified }) => verified)).toEqual([0, 3]);
    expect(findings).toMatchObject([{ url, reason: 'not-served' }]);
    expect(steps).toBeLessThan(10);
  });

  test('with leaves of which there are no documents', async () => {
    const endless = createChain([ours]);
    endless.fill(512);
    const url = await serving(endless.serve());
    const { findings } = await auditing([url]);
    expect(findings.at(-1)).toMatchObject({ url, reason: 'too-many' });
    expect(findings.length).toBeLessThan(300);
  });
});
