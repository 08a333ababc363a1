import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import {
  type Agenda,
  type Counted,
  commitTo,
  type Equivocation,
  parseAuthorityKey,
  sharedValue,
  signCheckpoint,
  signReveal,
  signVote,
  type Vote,
  verifyEquivocation,
  writeGeometry,
} from '@postern/protocol/consensus';
import { encodeBundle, type Leaf } from '@postern/protocol/log';
import { defaultGeometry } from '@postern/protocol/packet';
import { testAuthority } from '@postern/protocol/testing';
import { UserError } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../cli.ts';
import { issued, openBench, post } from '../testing/authorities.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import { type Library, openLibrary, others, ours } from '../testing/readers.ts';
import { deadUrl } from '../testing/servers.ts';
import { type AuditOptions, audit } from './audit.ts';
import type { Report } from './findings.ts';

const seconds = Math.floor(start / 1_000);
const hour = epochSeconds * 1_000;
const third = testAuthority('authority3.test', { now: seconds });
const authorities = [ours, others, third];
const trust = { authorities: authorities.map(({ vkey }) => parseAuthorityKey(vkey)), threshold: 2 };

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const chains = new Map<number, Chain>();

/** A history in which two of three authorities have signed each consensus; some epochs have none. */
function chainOf(count: number): Chain {
  const chain = chains.get(count) ?? createChain([ours, others]);
  for (let at = chain.leaves.length; at < count; at++) chain.issue(900 + at + (at > 4 ? 10 : 0));
  chains.set(count, chain);
  return chain.branch();
}

const auditing = async (urls: readonly string[], change: Partial<AuditOptions> = {}): Promise<Report> =>
  audit({ ...trust, urls, now: seconds, timeoutMs: 5_000, signal: undefined, ...change });

const serving = async (answer: RequestListener): Promise<string> => (await library.serving(answer)).url;

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
        { url: ahead, authority, ...chain.log.head(), verified: 9, recounted: 0 },
        { url: behind, authority, size: 7, root: expect.any(String), verified: 7, recounted: 0 },
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

describe('what a consensus was counted from', () => {
  const epoch = 1_000;
  const values = ['aa', 'bb'].map((byte) => byte.repeat(32));
  const said = { version: 1, epoch, slot: 0 } as const;
  const votesOf = [ours, others].map(
    (signer, at): Vote => ({
      ...said,
      authority: signer.name,
      previous: '',
      signed: '',
      epochSeconds,
      meanDelayMs: 200,
      width: { least: 10, most: 100, perMix: 1_000 },
      descriptors: [],
      revoked: [],
      geometry: writeGeometry(defaultGeometry),
      commit: commitTo(values[at] ?? ''),
    }),
  );
  const votes = [ours, others].map((signer, at) => signVote(votesOf[at] as Vote, signer));
  const reveals = [ours, others].map((signer, at) =>
    signReveal({ ...said, authority: signer.name, value: values[at] ?? '' }, signer),
  );
  const keeping = (chain: Chain, record: object | undefined): Promise<string> =>
    serving((request, response) => {
      if (request.url !== `/v1/agreement/${epoch}`) return chain.serve()(request, response);
      response.writeHead(record === undefined ? 404 : 200).end(JSON.stringify(record));
    });
  const pair = { authorities: [ours, others].map(({ key }) => key) };
  const countedOf = (notes: readonly string[]): Counted[] =>
    notes.map((note, at) => ({
      authority: [ours, others][at]?.name ?? '',
      digest: createHash('sha256')
        .update(note.slice(0, note.indexOf('\n\n') + 1))
        .digest('hex'),
    }));
  const shared = sharedValue(
    epoch,
    '',
    [ours, others].map(({ name }, at) => ({ authority: name, value: values[at] ?? '' })),
  );
  const named = { votes: countedOf(votes), reveals: countedOf(reveals), shared };
  const later = signVote({ ...(votesOf[1] as Vote), slot: 1 }, others);
  const uncommitted = signReveal({ ...said, authority: ours.name, value: 'cc'.repeat(32) }, ours);

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
      { votes: countedOf([votes[0] ?? '', later]) },
      { votes: [votes[0], later], reveals },
    ],
    [
      'is fewer votes than have to count',
      0,
      /names 1 votes, 2 have to count$/,
      { votes: countedOf(votes).slice(0, 1), reveals: [], shared: sharedValue(epoch, '', []) },
      { votes, reveals },
    ],
    [
      'was not committed to',
      0,
      /authority1\.test has not committed itself/,
      { reveals: countedOf([uncommitted]) },
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
    const faster = signVote({ ...(votesOf[1] as Vote), meanDelayMs: 1 }, others);
    const two = [votes[0] ?? '', faster];
    chain.issue(epoch, { ...named, votes: countedOf(two) });
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
    const twice = signVote({ ...(votesOf[0] as Vote), meanDelayMs: 1 }, ours);
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
    expect(proofs).toMatchObject([
      { verdict: { of: 'epoch', epochs: [epoch, epoch], signedBy: [ours.name, others.name] } },
    ]);
    expect(verifyEquivocation(proofs[0] as Equivocation, { ...pair, threshold: 2 }).kind).toBe(
      'equivocation',
    );
  });
});

describe('authorities that have signed two documents', () => {
  const keys = { authorities: trust.authorities, threshold: 2 };

  test('for one epoch: who has seen one refuses the other, the audit proves it, the keys alone verify the proof', async () => {
    const chain = chainOf(6);
    const victims = chain.branch();
    const [shown, hidden] = [chain.issue(1_000), victims.issue(1_000, { meanDelayMs: 1 })];
    victims.issue(1_001);
    chain.issue(1_001);
    const server = await library.serving(chain.serve(shown));
    const client = { authorities: authorities.map(({ vkey }) => vkey), threshold: 2 };
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
      expect(verifyEquivocation({ documents, certificates }, keys)).toMatchObject({
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

describe('postern-directory audit', () => {
  const epoch = Math.floor(Date.now() / hour);
  const today = [1, 2, 3].map((at) => testAuthority(`authority${at}.test`));
  const chainToday = (): Chain => {
    const chain = createChain(today.slice(0, 2));
    for (const at of [epoch - 2, epoch - 1]) chain.issue(at);
    return chain;
  };

  async function run(urls: readonly string[], ...more: string[]): Promise<{ code: number; out: string }> {
    const keys = today.flatMap(({ vkey }) => ['--authority', vkey]);
    const args = ['audit', ...urls.flatMap((url) => ['--url', url]), ...keys, ...more];
    let out = '';
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
        out += String(part);
        return true;
      }),
      vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
    ];
    try {
      return { code: await main(args, new AbortController().signal), out };
    } catch (error) {
      return { code: error instanceof UserError ? error.exitCode : -1, out };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  test('says that all holds, and ends with 0', async () => {
    const chain = chainToday();
    const url = await serving(chain.serve());
    expect(await run([`${url}/`])).toEqual({
      code: 0,
      out: `${url}  log of authority1.test: 2 of 2 consensuses hold, root ${chain.log.head().root}\n`,
    });
    expect(await run([url], '--threshold', '3')).toMatchObject({
      code: 65,
      out: expect.stringMatching(/epoch \d+: bad-document: signed by 2 of/),
    });
  });

  test('prints the proof whole, in words and in JSON, and ends with 76', async () => {
    const chain = chainToday();
    const other = chain.branch();
    const documents = [chain.issue(epoch), other.issue(epoch, { meanDelayMs: 1 })];
    const urls = [await serving(chain.serve()), await serving(other.serve())];
    const words = await run(urls);
    expect(words.code).toBe(76);
    expect(words.out).toContain(`authority1.test, authority2.test signed two documents for epoch ${epoch}\n`);
    for (const note of [...documents, ...today.slice(0, 2).map(({ certificate }) => certificate)])
      expect(words.out).toContain(note);
    const json = await run(urls, '--json');
    expect(json.code).toBe(76);
    const { proofs } = JSON.parse(json.out) as { proofs: Equivocation[] };
    expect(proofs).toMatchObject([{ of: 'epoch', epochs: [epoch, epoch], urls, documents }]);
    const authorities = today.map(({ key }) => key);
    for (const proof of proofs)
      expect(verifyEquivocation(proof, { authorities, threshold: 2 }).kind).toBe('equivocation');
  });

  test('verifies a proof that somebody has kept, and ends with 76; with 65 when it proves nothing', async () => {
    const chain = chainToday();
    const other = chain.branch();
    const documents = [chain.issue(epoch), other.issue(epoch, { meanDelayMs: 1 })];
    const certificates = today.slice(0, 2).map(({ certificate }) => certificate);
    const path = join(library.folder, 'proof');
    const proving = async (proof: unknown): Promise<{ code: number; out: string }> => {
      await writeFile(path, typeof proof === 'string' ? proof : JSON.stringify(proof));
      return run([], '--proof', path);
    };
    expect(await proving({ since: 7, documents, certificates })).toEqual({
      code: 76,
      out: expect.stringMatching(
        new RegExp(
          `^authority1.test, authority2.test signed two documents for epoch ${epoch}: [0-9a-f]{64} and`,
        ),
      ),
    });
    for (const proof of [
      { documents: [documents[0], documents[0]], certificates },
      { documents, certificates: certificates.slice(1) },
      { documents: [...documents, ...documents], certificates },
      { documents, certificates: [7] },
      { documents: 'x', certificates },
      [],
      'x',
    ])
      expect(await proving(proof)).toEqual({ code: 65, out: '' });
    expect(await run([], '--proof', `${path}.not`)).toEqual({ code: 64, out: '' });
    expect(await run([])).toEqual({ code: 64, out: '' });
    expect(await run(['http://127.0.0.1:9'], '--proof', path)).toEqual({ code: 64, out: '' });
  });

  test('ends with 75 when something is not to be had, with 64 for what it does not understand', async () => {
    expect(await run([await deadUrl()])).toMatchObject({
      code: 75,
      out: expect.stringContaining('not-served'),
    });
    for (const more of [
      ['--threshold', '1'],
      ['--threshold', '4'],
      ['--threshold', 'x'],
      ['--authority', 'x'],
    ])
      expect(await run(['http://127.0.0.1:9'], ...more)).toEqual({ code: 64, out: '' });
    expect(await run(['ftp://127.0.0.1'])).toEqual({ code: 64, out: '' });
  });
});
