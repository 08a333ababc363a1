import { copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  readCertifiedConsensus,
  readConsensus,
  readReveal,
  readVote,
  verifyParameters,
} from '@postern/protocol/consensus';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type AuditOptions, audit } from './audit/audit.ts';
import type { Report } from './audit/findings.ts';
import type { RunningAuthority } from './authority.ts';
import { openStore } from './store.ts';
import { get, post, register } from './testing/authorities.ts';
import { type Letter, servedFor } from './testing/council.ts';
import { createCouncilBench, epoch, hour, mixes } from './testing/council-bench.ts';
import { signedNode } from './testing/nodes.ts';

const bench = createCouncilBench();
const { open, begin, names, trust, running, first, haveAll, alarmsOf, whyOf, theOne } = bench;
afterEach(bench.close);

/** Audits what all that run serve. */
function auditing(change: Partial<AuditOptions> = {}): Promise<Report> {
  return audit({
    ...trust(),
    threshold: 2,
    timeoutMs: 10_000,
    signal: undefined,
    urls: running().map(({ url }) => url),
    now: Math.floor(bench.council.clock.now() / 1_000),
    ...change,
  });
}

/** Ten seconds before the second epoch begins to be agreed on: who starts then has nothing to confirm. */
const soon = epoch * hour + 2_690_000;

describe('three authorities that have agreed', () => {
  const agreed = createCouncilBench();
  const { names, trust, reader, running, first, alarmsOf, theOne } = agreed;
  beforeAll(async () => {
    await agreed.begin(3);
    await agreed.council.untilHolds(agreed.haveAll(epoch), hour);
  });
  afterAll(agreed.close);

  test('have kept votes, reveals and documents, from which anybody can count again', async () => {
    const { consensus, digest } = await theOne(epoch);
    for (const one of running()) {
      const { text } = await get(one, `/v1/agreement/${epoch}`);
      const record = JSON.parse(text) as Record<'votes' | 'reveals' | 'documents', string[]>;
      const votes = record.votes.map((signed) => readVote(signed, reader()));
      const reveals = record.reveals.map((signed) => readReveal(signed, reader()));
      const digests = (ballots: readonly { kind: string; digest?: string }[]) =>
        ballots.map((ballot) => ballot.digest).sort();
      expect(digests(votes)).toEqual(consensus.votes.map((vote) => vote.digest).sort());
      expect(digests(reveals)).toEqual(consensus.reveals.map((reveal) => reveal.digest).sort());
      expect(record.documents.map((signed) => readConsensus(signed, trust()))).toEqual([
        expect.objectContaining({ digest, signedBy: names() }),
      ]);
    }
    expect(await get(first(), '/v1/agreement/7')).toMatchObject({ status: 404 });
    const { text } = await get(first(), `/v1/agreement/${epoch}?of=authority2.test`);
    const own = JSON.parse(text) as Record<'votes' | 'reveals' | 'documents', string[]>;
    expect(own.votes.map((signed) => readVote(signed, reader()))).toEqual([
      expect.objectContaining({ value: expect.objectContaining({ authority: 'authority2.test' }) }),
    ]);
    expect([own.reveals, own.documents].map(({ length }) => length)).toEqual([0, 1]);
    const long = `/v1/agreement/${epoch}?of=${'x'.repeat(256)}`;
    expect(await get(first(), long)).toMatchObject({ status: 400 });
    const prepared = vi.spyOn(DatabaseSync.prototype, 'prepare');
    const { status } = await fetch(`${first().url}/v1/agreement/${epoch}`, { method: 'HEAD' });
    expect(status).toBe(200);
    expect(prepared.mock.calls.filter(([sql]) => sql.startsWith('SELECT signed FROM said'))).toEqual([]);
    prepared.mockRestore();
  });

  test('have one consensus, which all of them signed, and the next one before its epoch begins', async () => {
    const before = await theOne(epoch);
    expect(before.signedBy).toEqual(names());
    expect(before.consensus.votes.map(({ authority }) => authority)).toEqual(names());
    expect(before.consensus.reveals.map(({ authority }) => authority)).toEqual(names());
    await agreed.council.until((epoch + 1) * hour - 1);
    const second = await theOne(epoch + 1);
    expect(second.consensus).toMatchObject({ epoch: epoch + 1, previous: before.digest });
    expect(second.consensus.shared).not.toBe(before.consensus.shared);
    // until it begins, readers get the one before
    expect((await get(first(), '/v1/consensus')).text).toContain(`"epoch":${epoch},`);
    for (const at of [0, 1, 2]) expect(alarmsOf(at)).toEqual([]);
    const signed = (await get(first(), '/v1/parameters')).text;
    expect(
      verifyParameters(signed, { ...trust(), threshold: 3, now: agreed.council.clock.now() / 1_000 }),
    ).toMatchObject({
      kind: 'parameters',
    });
  });
});

describe('several authorities', () => {
  test('give parameters that enough of them have signed as soon as they run, before there is a slot', async () => {
    await open(3);
    const asked = () => get(first(), '/v1/parameters');
    await bench.council.start(0);
    expect((await asked()).headers.get('cache-control')).toBe('no-store');
    for (const at of [1, 2]) await bench.council.start(at);
    // the first one has found nobody, and looks again because it is asked
    await bench.council.until(bench.council.clock.now() + 60_000);
    await asked();
    await bench.council.until(bench.council.clock.now());
    const { text, headers } = await asked();
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    expect(
      verifyParameters(text, { ...trust(), threshold: 3, now: bench.council.clock.now() / 1_000 }),
    ).toMatchObject({ kind: 'parameters' });
  });

  test('get descriptors that most votes name, and they lack, from those who have them, and count again once all have come', async () => {
    await begin(3);
    const body = signedNode('seldom.test', bench.council.clock.now());
    for (const one of running().slice(0, 2)) expect(await post(one, body)).toMatchObject({ status: 202 });
    const third = running()[2] as RunningAuthority;
    const withheld = [
      '/v1/agreement/descriptors',
      '/v1/agreement/signatures',
      `/v1/agreement/${epoch}/consensus`,
    ];
    bench.council.wire = ({ from, to, path }) =>
      [from, to].includes('authority3.test') && withheld.includes(path) ? 'lost' : {};
    await bench.council.untilHolds(() => third.status().heldUp?.reason === 'missing-descriptors', hour);
    const prepared = vi.spyOn(DatabaseSync.prototype, 'prepare');
    await register(third, bench.council.clock.now(), 'another.test', 'more.test');
    expect(prepared.mock.calls.filter(([sql]) => sql.includes('INTO said'))).toEqual([]);
    prepared.mockRestore();
    bench.council.wire = () => ({});
    await bench.council.untilHolds(haveAll(epoch), hour);
    await bench.council.until(bench.council.clock.now() + 30_000);
    const { consensus, signedBy } = await theOne(epoch);
    expect(consensus.nodes.map(({ name }) => name)).toContain('seldom.test');
    expect(signedBy).toEqual(names());
  });

  test('go on without one that does not run; it catches up by itself and takes part again', async () => {
    await open(3);
    bench.council.clock.moveTo(soon);
    for (const at of [0, 1]) await bench.council.start(at);
    await bench.council.register(...mixes);
    await bench.council.untilHolds(haveAll(epoch + 2), 3 * hour);
    expect((await theOne(epoch + 2)).signedBy).toEqual(names().slice(0, 2));
    expect(alarmsOf(0)).toContain('silent authority3.test');
    await bench.council.start(2);
    await bench.council.until(bench.council.clock.now() + 1);
    for (const at of [1, 2]) expect((await theOne(epoch + at)).signedBy).toEqual(names().slice(0, 2));
    await bench.council.register(...mixes);
    await bench.council.untilHolds(haveAll(epoch + 3), 2 * hour);
    expect((await theOne(epoch + 3)).signedBy).toEqual(names());
    expect(alarmsOf(0)).toEqual([]);
    // in the epoch after it signatures under it are taken still
    const { headers } = await get(first(), `/v1/consensus/${epoch + 1}`);
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    const { audited, findings } = await auditing();
    expect(findings).toEqual([]);
    expect(new Set(audited.map(({ root }) => root)).size).toBe(1);
    expect(audited.map(({ size, verified }) => [size, verified])).toEqual([0, 1, 2].map(() => [3, 3]));
    // the one that was away has no descriptors of the epochs before
    for (const { recounted } of audited) expect(recounted).toBeGreaterThan(0);
  });

  test('name each other when one of them goes by other authorities, or another threshold', async () => {
    await open(3);
    const [, second] = bench.council.members.map(({ name, vkey }) => ({ url: `http://${name}`, key: vkey }));
    await bench.council.start(1);
    await bench.council.start(2, { threshold: 3 });
    await bench.council.start(0, { peers: [second] });
    await bench.council.until(bench.council.clock.now() + 10_000);
    const whyOthers = (at: number, about: string): string | undefined =>
      bench.council
        .member(at)
        .running?.status()
        .alarms.find((alarm) => alarm.kind === 'other-parameters' && alarm.about === about)?.why;
    expect(whyOthers(0, 'authority2.test')).toMatch(/^its authorities have authority3\.test\+\w{8} besides$/);
    expect(whyOthers(2, 'authority2.test')).toBe('its threshold is 2, and 3 here');
    // who was started before them finds out before the next slot
    await bench.council.until((epoch + 1) * hour - hour / 4);
    expect(whyOthers(1, 'authority1.test')).toMatch(/^its authorities lack authority3\.test\+\w{8}$/);
    expect(whyOthers(1, 'authority3.test')).toBe('its threshold is 3, and 2 here');
  });

  test('do not take one for another whose URL stands beside its key, and say who answers there', async () => {
    await open(3);
    bench.council.clock.moveTo(soon);
    for (const at of [1, 2]) await bench.council.start(at);
    await bench.council.register(...mixes);
    await bench.council.untilHolds(haveAll(epoch + 1), 2 * hour);
    const third = bench.council.member(2);
    await bench.council.start(0, {
      threshold: 2,
      peers: [{ url: 'http://authority2.test', key: third.vkey }],
    });
    await bench.council.until(bench.council.clock.now() + 1_000);
    const mistaken = expect.stringMatching(
      /^authority2\.test\+\w{8} answers there, and not authority3\.test\+\w{8}: compare url and key$/,
    );
    const peer = { name: 'authority3.test', url: 'http://authority2.test' };
    const { running, lines } = bench.council.member(0);
    expect(running?.status()).toMatchObject({
      peers: [{ ...peer, answers: false, why: mistaken }],
      alarms: [],
    });
    const told = { ...peer, why: mistaken };
    expect(lines).toContainEqual({ level: 'warn', event: 'peer does not answer', fields: told });
  });

  test('issue nothing when too few of them run, and say why', async () => {
    await open(3);
    bench.council.clock.moveTo(soon);
    await bench.council.start(0);
    await bench.council.register(...mixes);
    await bench.council.until(epoch * hour + 3_070_000);
    const status = bench.council.member(0).running?.status();
    expect(status?.consensus).toBeUndefined();
    expect(status?.heldUp).toMatchObject({
      reason: 'few-votes',
      why: expect.stringContaining('0 votes count'),
    });
    expect(whyOf(0, 'split')).toContain(
      'authority1.test: no vote, signed nothing; authority2.test: no vote, signed nothing',
    );
  });
});

test('an authority that was alone goes on with others once these have a copy of its history', async () => {
  await open(3);
  await bench.council.start(0, { peers: [] });
  await bench.council.register(...mixes);
  const alone = bench.council.member(0).running?.status().consensus?.digest;
  expect(alone).toBeDefined();
  await bench.council.stop(0);
  // without it they do not take its word for it
  bench.council.clock.moveTo(soon);
  await bench.council.start();
  await bench.council.until(bench.council.clock.now() + 30_000);
  for (const at of [1, 2]) {
    expect(alarmsOf(at)).toContain('unproven-history authority1.test');
    expect(bench.council.member(at).running?.status().consensus).toBeUndefined();
  }
  for (const at of [0, 1, 2]) await bench.council.stop(at);
  const store = (at: number): string => join(bench.council.member(at).folder, 'authority.sqlite');
  for (const at of [1, 2]) await copyFile(store(0), store(at));
  await bench.council.start();
  await bench.council.register(...mixes);
  await bench.council.untilHolds(haveAll(epoch + 2), 2 * hour);
  const [served] = await servedFor(bench.council, epoch);
  expect(served).toEqual([alone, { by: names(), signedBy: ['authority1.test'] }]);
  expect((await theOne(epoch + 2)).signedBy).toEqual(names());
  const { audited, findings } = await auditing({ since: epoch + 1 });
  expect(findings).toEqual([]);
  for (const one of audited) expect(one).toMatchObject({ verified: one.size - 1, linked: 1 });
  for (const { recounted } of audited) expect(recounted).toBeGreaterThan(0);
  const { findings: unknown } = await auditing();
  expect(unknown.map((one) => [one.reason, one.epoch])).toEqual(Array(3).fill(['bad-document', epoch]));
  // of everybody who has signed a consensus the certificate is kept, for later audits
  await bench.council.stop(2);
  using kept = openStore(store(2));
  expect(kept.past().map(({ authority }) => authority)).toEqual(names());
});

describe('a list of authorities that changes', () => {
  /** Starts one, or starts it anew, that goes by some of them. */
  const goBy = async (at: number, list: readonly number[]): Promise<void> => {
    if (bench.council.member(at).running !== undefined) await bench.council.stop(at);
    const peers = list
      .filter((one) => one !== at)
      .map((one) => bench.council.member(one))
      .map(({ name, vkey }) => ({ url: `http://${name}`, key: vkey }));
    await bench.council.start(at, { peers });
  };
  /** Lets time pass until an epoch has gone on for a while. */
  const into = async (at: number): Promise<void> => {
    await bench.council.register(...mixes);
    await bench.council.until(at * hour + 600_000);
  };
  const openThreeOfFour = async (): Promise<void> => {
    await open(4);
    bench.council.clock.moveTo(soon);
    for (const at of [0, 1, 2]) await goBy(at, [0, 1, 2]);
    await into(epoch + 1);
  };

  test('by one that joins, and then by one that leaves, while nothing is agreed on, has a consensus of all in every epoch', async () => {
    await openThreeOfFour();
    for (const at of [2, 0, 1, 3]) {
      await goBy(at, [0, 1, 2, 3]);
      await bench.council.until(bench.council.clock.now() + 300_000);
    }
    await into(epoch + 2);
    expect((await theOne(epoch + 2)).signedBy).toEqual(names());
    for (const at of [0, 1, 2, 3]) expect(alarmsOf(at)).toEqual([]);
    await bench.council.stop(0);
    for (const at of [3, 1, 2]) {
      await goBy(at, [1, 2, 3]);
      await bench.council.until(bench.council.clock.now() + 300_000);
    }
    await into(epoch + 3);
    expect((await theOne(epoch + 3)).signedBy).toEqual(names().slice(1));
    for (const at of [1, 2, 3]) expect(alarmsOf(at)).toEqual([]);
  });

  test('while something is agreed on may leave some without the consensus of the others, which they get by the list of before', async () => {
    await openThreeOfFour();
    for (const at of [2, 3]) await goBy(at, [0, 1, 2, 3]);
    await into(epoch + 2);
    for (const at of [0, 1]) await goBy(at, [0, 1, 2, 3]);
    await into(epoch + 3);
    const newest = () => bench.council.members.map(({ running }) => running?.status().consensus?.epoch);
    expect(newest()).toEqual([2, 2, 1, 1].map((later) => epoch + later));
    for (const at of [2, 3]) expect(alarmsOf(at)).toContain('unproven-history authority1.test');
    await goBy(2, [0, 1, 2]);
    await bench.council.untilHolds(() => newest()[2] === epoch + 2, hour);
    await goBy(2, [0, 1, 2, 3]);
    await into(epoch + 4);
    // who has just joined has got it, too
    expect((await theOne(epoch + 4)).signedBy).toEqual(names().slice(0, 3));
  });
});

describe('an authority', () => {
  /** Everything passes but what signs a document. */
  const noSignatures = ({ path }: Letter) =>
    path === '/v1/agreement/signatures' || path.endsWith('/consensus') ? 'lost' : ({} as const);

  test('raises an alarm that says who said what when too few sign one document, and goes on once they are heard', async () => {
    await begin(3);
    bench.council.wire = noSignatures;
    await bench.council.untilHolds(() => alarmsOf(0).includes('split'), hour);
    expect(whyOf(0, 'split')).toMatch(
      /authority1\.test: a vote, signed [0-9a-f]{12}; authority2\.test: a vote, signed nothing/,
    );
    expect(bench.council.member(0).lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        event: 'alarm',
        fields: expect.objectContaining({ kind: 'split' }),
      }),
    );
    expect(await servedFor(bench.council, epoch)).toEqual(new Map());
    bench.council.wire = () => ({});
    await bench.council.untilHolds(haveAll(epoch), hour);
    await theOne(epoch);
    await bench.council.untilHolds(() => !alarmsOf(0).includes('split'), hour);
  });

  test('that has signed a document signs no other one before it is sure that that is none', async () => {
    await begin(3);
    // the first two sign, and only the third one, which then ends, hears of both
    bench.council.wire = (letter) => {
      if (letter.to === 'authority3.test') return {};
      return noSignatures(letter);
    };
    await bench.council.untilHolds(
      () => bench.council.member(2).running?.status().consensus !== undefined,
      hour,
    );
    const { digest } = bench.council.member(2).running?.status().consensus ?? {};
    await bench.council.stop(2);
    bench.council.wire = () => ({});
    // together they have the two signatures that are needed
    await bench.council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).digest).toBe(digest);
  });

  test('that is started anew within an epoch signs nothing else for it', async () => {
    await begin(3);
    bench.council.wire = noSignatures;
    await bench.council.untilHolds(() => alarmsOf(0).includes('split'), hour);
    const { text } = await get(first(), `/v1/agreement/${epoch}/consensus`);
    const signed = readCertifiedConsensus(text, trust());
    await bench.council.stop(0);
    await bench.council.start(0);
    bench.council.wire = () => ({});
    await bench.council.untilHolds(haveAll(epoch), hour);
    const { digest } = await theOne(epoch);
    expect(signed).toMatchObject({ kind: 'signed', digest });
  });

  test('that is ready too late to vote, and knows of nobody what it has said, signs nothing', async () => {
    await begin(3);
    await bench.council.stop(0);
    const record = `/v1/agreement/${epoch}?of=authority1.test`;
    bench.council.wire = ({ from, path }) => {
      if (from !== 'authority1.test') return {};
      // a minute and a half after the slot has begun it knows enough to take part
      if (path === '/v1/certificates') return { delayMs: 110_000 };
      return path === record ? 'lost' : {};
    };
    await bench.council.start(0);
    await bench.council.untilHolds(haveAll(epoch), hour);
    const { consensus, signedBy } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    expect(signedBy).toEqual(names().slice(1));
    const { lines } = bench.council.member(0);
    expect(lines).toContainEqual(
      expect.objectContaining({ fields: expect.objectContaining({ reason: 'unconfirmed' }) }),
    );
  });

  test('whose store is an older one that was restored signs no second document for an epoch', async () => {
    await begin(3);
    await bench.council.stop(0);
    const { folder } = bench.council.member(0);
    const ofStore = async (): Promise<string[]> =>
      (await readdir(folder)).filter((file) => file.startsWith('authority.sqlite'));
    const files = await ofStore();
    for (const file of files) await copyFile(join(folder, file), join(folder, `backup-${file}`));
    await bench.council.start(0);
    // the slot from 180 s on; its reveals are closed 300 s later, and only the first one is there then
    await bench.council.until(epoch * hour + 470_000);
    for (const at of [1, 2]) await bench.council.stop(at);
    await bench.council.until(epoch * hour + 490_000);
    const one = bench.council.member(0).running as RunningAuthority;
    expect(await get(one, `/v1/agreement/${epoch}/consensus`)).toMatchObject({ status: 200 });
    await bench.council.stop(0);
    for (const file of await ofStore()) await rm(join(folder, file));
    for (const file of files) await copyFile(join(folder, `backup-${file}`), join(folder, file));

    await bench.council.start();
    await bench.council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).signedBy).toEqual(['authority2.test', 'authority3.test']);
    expect(alarmsOf(0)).toContain('store-restored authority1.test');
    await bench.council.untilHolds(haveAll(epoch + 1), hour);
    expect((await theOne(epoch + 1)).signedBy).toEqual(names());
    expect(alarmsOf(0)).not.toContain('store-restored authority1.test');
  });

  test('that does not take the nodes that others do has no vote, and says so as long as that is so', async () => {
    await open(3);
    await bench.council.start(0, { allow: ['a'.repeat(64)] });
    for (const at of [1, 2]) await bench.council.start(at);
    for (const one of running().slice(1)) await register(one, bench.council.clock.now(), ...mixes);
    // before there is a consensus at all it says that it is held up
    await bench.council.untilHolds(haveAll(epoch), hour);
    expect(alarmsOf(0)).not.toContain('silent authority1.test');
    await bench.council.until((epoch + 1) * hour + 600_000);
    const { consensus } = await theOne(epoch + 1);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    const status = bench.council.member(0).running?.status();
    expect(status?.heldUp).toBeUndefined();
    expect(status?.alarms).toEqual([
      {
        kind: 'silent',
        about: 'authority1.test',
        why: expect.stringMatching(
          /^this authority had no vote when votes were counted last: waits for 3 nodes, 0 had registered/,
        ),
      },
    ]);
    await bench.council.stop(0);
    await bench.council.start(0);
    await bench.council.register(...mixes);
    await bench.council.until((epoch + 2) * hour + 600_000);
    expect((await theOne(epoch + 2)).consensus.votes).toHaveLength(3);
    for (const at of [0, 1, 2]) expect(alarmsOf(at)).toEqual([]);
  });
});
