import { copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  commitTo,
  readConsensus,
  readReveal,
  readVote,
  signConsensus,
  signVote,
  type Vote,
  verifyParameters,
} from '@postern/protocol/consensus';
import { afterEach, describe, expect, test } from 'vitest';
import { audit } from './audit/audit.ts';
import type { RunningAuthority } from './authority.ts';
import { get, post } from './testing/authorities.ts';
import { epochSeconds, start } from './testing/clock.ts';
import { type Council, type Letter, openCouncil, servedFor, trustIn } from './testing/council.ts';
import { signedNode } from './testing/nodes.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const mixes = Array.from({ length: 4 }, (_, at) => `mix${at + 1}.test`);

let council: Council;
afterEach(() => council[Symbol.asyncDispose]());

const names = (): string[] => council.members.map(({ name }) => name);
const trust = () => trustIn(council);
/** Of any time in the first epochs. */
const reader = () => ({ ...trust(), at: start / 1_000 });
const running = () => council.members.flatMap((member) => member.running ?? []);
const haveAll = (at: number) => () => running().every((one) => (one.status().consensus?.epoch ?? 0) >= at);
const alarms = (at: number) =>
  (council.member(at).running?.status().alarms ?? []).map(({ kind, about }) => `${kind} ${about}`.trim());

async function open(count: number, common: object = {}): Promise<void> {
  council = await openCouncil(count, { bootstrap: { nodes: 3 }, ...common });
}

/** Authorities of which all that are named run, with mixes that all of them know. */
async function begin(count: number, common: object = {}): Promise<void> {
  await open(count, common);
  await council.start();
  await council.register(...mixes);
}

/** The one consensus for an epoch, which all that run serve. */
async function theOne(at: number) {
  const [one, ...others] = [...(await servedFor(council, at))];
  expect(others).toEqual([]);
  const [digest = '', served] = one ?? [];
  expect(served?.by).toHaveLength(running().length);
  const { text } = await get(running()[0] as never, `/v1/consensus/${at}`);
  const read = readConsensus(text, trust());
  if (read.kind === 'refused') throw new Error(read.detail);
  return { digest, consensus: read.consensus, signedBy: served?.signedBy ?? [] };
}

const isOwn = (letter: Letter, part: 'vote' | 'reveal'): boolean => {
  if (letter.path !== `/v1/agreement/${part}s` || letter.body === undefined) return false;
  const ballot = part === 'vote' ? readVote(letter.body, reader()) : readReveal(letter.body, reader());
  return ballot.kind === 'ballot' && ballot.signedBy.length === 1 && ballot.value.authority === letter.from;
};

/** Another vote of the same authority in the place of one. */
function otherVote(body: string, at: number, change: Partial<Vote> = { meanDelayMs: 999 }): string {
  const ballot = readVote(body, reader());
  if (ballot.kind === 'refused') throw new Error(ballot.detail);
  return signVote({ ...ballot.value, ...change }, council.member(at).signer);
}

describe('several authorities', () => {
  test('agree on one consensus, which all of them sign, and on the next one before its epoch begins', async () => {
    await begin(3);
    await council.untilHolds(haveAll(epoch), hour);
    const first = await theOne(epoch);
    expect(first.signedBy).toEqual(names());
    expect(first.consensus.votes.map(({ authority }) => authority)).toEqual(names());
    expect(first.consensus.reveals.map(({ authority }) => authority)).toEqual(names());
    await council.until((epoch + 1) * hour - 1);
    const second = await theOne(epoch + 1);
    expect(second.consensus).toMatchObject({ epoch: epoch + 1, previous: first.digest });
    expect(second.consensus.shared).not.toBe(first.consensus.shared);
    // until it begins, readers get the one before
    const [one] = running();
    expect((await get(one as never, '/v1/consensus')).text).toContain(`"epoch":${epoch},`);
    for (const at of [0, 1, 2]) expect(alarms(at)).toEqual([]);
    const signed = (await get(one as never, '/v1/parameters')).text;
    expect(
      verifyParameters(signed, { ...trust(), threshold: 3, now: council.clock.now() / 1_000 }),
    ).toMatchObject({
      kind: 'parameters',
    });
  });

  test('keep votes, reveals and documents, from which anybody can count again', async () => {
    await begin(3);
    await council.untilHolds(haveAll(epoch), hour);
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
    expect(await get(running()[0] as never, '/v1/agreement/7')).toMatchObject({ status: 404 });
  });

  test('endorse a vote once they have got the descriptors that they lack from those who have them', async () => {
    await begin(3);
    const body = signedNode('seldom.test', council.clock.now());
    for (const one of running().slice(0, 2)) expect(await post(one, body)).toMatchObject({ status: 202 });
    await council.untilHolds(haveAll(epoch), hour);
    const { consensus, signedBy } = await theOne(epoch);
    expect(consensus.nodes.map(({ name }) => name)).toContain('seldom.test');
    expect(signedBy).toEqual(names());
  });

  test('go on without one that does not run; it catches up by itself and takes part again', async () => {
    await open(3);
    for (const at of [0, 1]) await council.start(at);
    await council.register(...mixes);
    await council.untilHolds(haveAll(epoch + 2), 3 * hour);
    expect((await theOne(epoch + 2)).signedBy).toEqual(names().slice(0, 2));
    expect(alarms(0)).toContain('silent authority3.test');
    await council.start(2);
    await council.until(council.clock.now() + 1);
    for (const at of [1, 2]) expect((await theOne(epoch + at)).signedBy).toEqual(names().slice(0, 2));
    await council.register(...mixes);
    await council.untilHolds(haveAll(epoch + 3), 2 * hour);
    expect((await theOne(epoch + 3)).signedBy).toEqual(names());
    expect(alarms(0)).toEqual([]);
    const { audited, findings } = await audit({
      ...trust(),
      threshold: 2,
      timeoutMs: 10_000,
      signal: undefined,
      urls: running().map(({ url }) => url),
      now: Math.floor(council.clock.now() / 1_000),
    });
    expect(findings).toEqual([]);
    expect(new Set(audited.map(({ root }) => root)).size).toBe(1);
    expect(audited.map(({ size, verified }) => [size, verified])).toEqual([0, 1, 2].map(() => [4, 4]));
    expect(audited.map(({ recounted }) => recounted)).toEqual([4, 4, 1]);
  });

  test('issue nothing when too few of them run, and say why', async () => {
    await open(3);
    await council.start(0);
    await council.register(...mixes);
    await council.until(epoch * hour + 3_070_000);
    const status = council.member(0).running?.status();
    expect(status?.consensus).toBeUndefined();
    expect(status?.heldUp).toMatchObject({
      reason: 'few-votes',
      why: expect.stringContaining('1 votes count'),
    });
    const { why } = status?.alarms.find(({ kind }) => kind === 'split') ?? {};
    expect(why).toContain(
      'authority1.test: a vote, signed nothing; authority2.test: no vote, signed nothing',
    );
  });
});

describe('of authorities that are faulty', () => {
  test('one that says two things is found out by all, has no vote, and both are kept', async () => {
    await begin(4);
    council.wire = (letter) =>
      isOwn(letter, 'vote') && letter.from === 'authority1.test' && letter.to !== 'authority2.test'
        ? { body: otherVote(letter.body ?? '', 0) }
        : {};
    await council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    for (const at of [1, 2, 3]) {
      expect(alarms(at)).toContain('equivocation authority1.test');
      const record = await get(council.member(at).running as never, `/v1/agreement/${epoch}`);
      const { votes } = JSON.parse(record.text) as { votes: string[] };
      const two = votes.filter((signed) => signed.includes('{"authority":"authority1.test"'));
      expect(
        new Set(
          two.map((signed) => readVote(signed, reader())).map((one) => one.kind === 'ballot' && one.digest),
        ).size,
      ).toBe(2);
    }
  });

  test('one that withholds its value has a vote, and the value of all others is drawn without it', async () => {
    await begin(3);
    council.wire = (letter) => (isOwn(letter, 'reveal') && letter.from === 'authority2.test' ? 'lost' : {});
    await council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes).toHaveLength(3);
    expect(consensus.reveals.map(({ authority }) => authority)).toEqual([
      'authority1.test',
      'authority3.test',
    ]);
    expect(alarms(0)).toContain('withheld-reveal authority2.test');
  });

  test('one that tells its value to one other at the last moment has told it to all or to none', async () => {
    await begin(4);
    council.wire = (letter) => {
      if (!isOwn(letter, 'reveal') || letter.from !== 'authority1.test') return {};
      return letter.to === 'authority2.test' ? { delayMs: 59_999 } : 'lost';
    };
    await council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).consensus.reveals.map(({ authority }) => authority)).toEqual(names());
  });

  test('one that is late with everything does not count, and the others agree', async () => {
    await begin(4);
    council.wire = ({ from }) => (from === 'authority4.test' ? { delayMs: 400_000 } : {});
    await council.untilHolds(
      () =>
        running()
          .slice(0, 3)
          .every((one) => one.status().consensus),
      hour,
    );
    const { consensus } = await theOne(epoch).catch(() => theOne(epoch));
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(0, 3));
  });

  test('one that names descriptors which nobody has got is not endorsed', async () => {
    await begin(3);
    const made = { id: 'a'.repeat(64), digest: 'b'.repeat(64) };
    council.wire = (letter) => {
      if (letter.from !== 'authority1.test' || !isOwn(letter, 'vote')) return {};
      return { body: otherVote(letter.body ?? '', 0, { descriptors: [made] }) };
    };
    await council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).consensus.votes.map(({ authority }) => authority)).toEqual([
      'authority2.test',
      'authority3.test',
    ]);
  });

  test('one that floods the others costs them two votes and no more, and is cut off', async () => {
    await begin(3);
    const until = start + 130_000;
    await council.until(until);
    const [, second, third] = running();
    const { signer } = council.member(0);
    const send = (to: RunningAuthority | undefined, path: string, body: string): Promise<number> =>
      fetch(`${to?.url}/v1/agreement/${path}`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain' },
      }).then(({ status }) => status);
    const of = (slot: number, meanDelayMs: number): string =>
      signVote(
        {
          ...{ version: 1, epoch, slot, authority: signer.name, previous: '', signed: '', epochSeconds },
          ...{ meanDelayMs, descriptors: [], revoked: [], commit: commitTo('0'.repeat(64)) },
          geometry: { suite: 1, hops: 3, routingBytes: 1, packetBytes: 1, digest: '0'.repeat(64) },
        },
        signer,
      );
    const statuses: number[] = [];
    for (let at = 0; at < 100; at++) statuses.push(await send(second, 'votes', of(3, at)));
    expect(new Set(statuses)).toEqual(new Set([202]));
    statuses.length = 0;
    for (let at = 0; at < 100; at++) statuses.push(await send(third, 'votes', of(77, at)));
    expect(new Set(statuses)).toEqual(new Set([409, 429]));
    expect(await send(second, 'votes', 'x')).toBe(400);
    expect(await send(second, 'reveals', 'x')).toBe(409);
    await council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    const record = await get(second as never, `/v1/agreement/${epoch}`);
    expect((JSON.parse(record.text) as { votes: string[] }).votes).toHaveLength(4);
  });

  test('one whose clock is two minutes off is named by the others and by itself', async () => {
    await open(4);
    for (const at of [0, 1, 2]) await council.start(at);
    await council.start(3, {}, { aheadMs: 120_000 });
    await council.register(...mixes);
    await council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).consensus.votes.map(({ authority }) => authority)).toEqual(
      names().slice(0, 3),
    );
    expect(alarms(0)).toContain('peer-clock-off authority4.test');
    expect(alarms(3)).toContain('clock-off authority4.test');
    const why = council
      .member(3)
      .running?.status()
      .alarms.find(({ kind }) => kind === 'clock-off')?.why;
    expect(why).toBe("its clock is about 120 s ahead of most others'");
  });

  test('two documents of one for an epoch are kept and named', async () => {
    await begin(3);
    council.wire = (letter) => {
      if (letter.from !== 'authority1.test' || letter.path !== '/v1/agreement/signatures') return {};
      const read = readConsensus(letter.body ?? '', trust());
      if (read.kind === 'refused') throw new Error(read.detail);
      const other = signConsensus({ ...read.consensus, meanDelayMs: 7 }, [council.member(0).signer]);
      return letter.to === 'authority2.test' ? { body: other } : {};
    };
    await council.untilHolds(haveAll(epoch), hour);
    await council.until(council.clock.now() + 300_000);
    await theOne(epoch);
    expect(alarms(1)).toContain('signed-twice authority1.test');
  });
});

describe('an authority', () => {
  /** Everything passes but what signs a document. */
  const noSignatures = ({ path }: Letter) =>
    path === '/v1/agreement/signatures' || path.endsWith('/consensus') ? 'lost' : ({} as const);

  test('raises an alarm that says who said what when too few sign one document, and goes on once they are heard', async () => {
    await begin(3);
    council.wire = noSignatures;
    await council.untilHolds(() => alarms(0).includes('split'), hour);
    const why =
      council
        .member(0)
        .running?.status()
        .alarms.find(({ kind }) => kind === 'split')?.why ?? '';
    expect(why).toMatch(
      /authority1\.test: a vote, signed [0-9a-f]{12}; authority2\.test: a vote, signed nothing/,
    );
    expect(council.member(0).lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        event: 'alarm',
        fields: expect.objectContaining({ kind: 'split' }),
      }),
    );
    expect(await servedFor(council, epoch)).toEqual(new Map());
    council.wire = () => ({});
    await council.untilHolds(haveAll(epoch), hour);
    await theOne(epoch);
    await council.untilHolds(() => !alarms(0).includes('split'), hour);
  });

  test('that has signed a document signs no other one before it is sure that that is none', async () => {
    await begin(3);
    // the first two sign, and only the third one, which then ends, hears of both
    council.wire = (letter) => {
      if (letter.to === 'authority3.test') return {};
      return noSignatures(letter);
    };
    await council.untilHolds(() => council.member(2).running?.status().consensus !== undefined, hour);
    const { digest } = council.member(2).running?.status().consensus ?? {};
    await council.stop(2);
    council.wire = () => ({});
    // together they have the two signatures that are needed
    await council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).digest).toBe(digest);
  });

  test('that is started anew within an epoch signs nothing else for it', async () => {
    await begin(3);
    council.wire = noSignatures;
    await council.untilHolds(() => alarms(0).includes('split'), hour);
    await council.stop(0);
    await council.start(0);
    council.wire = () => ({});
    await council.untilHolds(haveAll(epoch), hour);
    await theOne(epoch);
  });

  test('whose store is an older one that was restored signs no second document for an epoch', async () => {
    await begin(3);
    await council.stop(0);
    const { folder } = council.member(0);
    const ofStore = async (): Promise<string[]> =>
      (await readdir(folder)).filter((file) => file.startsWith('authority.sqlite'));
    const files = await ofStore();
    for (const file of files) await copyFile(join(folder, file), join(folder, `backup-${file}`));
    await council.start(0);
    // the slot from 180 s on; its reveals are closed 300 s later, and only the first one is there then
    await council.until(epoch * hour + 470_000);
    for (const at of [1, 2]) await council.stop(at);
    await council.until(epoch * hour + 490_000);
    const one = council.member(0).running as RunningAuthority;
    expect(await get(one, `/v1/agreement/${epoch}/consensus`)).toMatchObject({ status: 200 });
    await council.stop(0);
    for (const file of await ofStore()) await rm(join(folder, file));
    for (const file of files) await copyFile(join(folder, `backup-${file}`), join(folder, file));

    await council.start();
    await council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).signedBy).toEqual(['authority2.test', 'authority3.test']);
    expect(alarms(0)).toContain('store-restored authority1.test');
    await council.untilHolds(haveAll(epoch + 1), hour);
    expect((await theOne(epoch + 1)).signedBy).toEqual(names());
  });
});
