import {
  type CertifiedSigner,
  commitTo,
  readCertifiedConsensus,
  readConsensus,
  readVote,
  signCertifiedConsensus,
  signVote,
} from '@postern/protocol/consensus';
import { afterEach, describe, expect, test } from 'vitest';
import type { RunningAuthority } from './authority.ts';
import { get } from './testing/authorities.ts';
import { epochSeconds, start } from './testing/clock.ts';
import { createCouncilBench, epoch, hour, mixes } from './testing/council-bench.ts';

/** Posts to an authority, as anybody can. */
const send = (to: RunningAuthority | undefined, path: string, body: string): Promise<number> =>
  fetch(`${to?.url}/v1/${path}`, { method: 'POST', body, headers: { 'content-type': 'text/plain' } }).then(
    ({ status }) => status,
  );

/** A vote of somebody that names nothing. */
const voteOf = (signer: CertifiedSigner, slot: number, meanDelayMs: number, of = epoch): string =>
  signVote(
    {
      version: 1,
      epoch: of,
      slot,
      authority: signer.name,
      previous: '',
      signed: '',
      epochSeconds,
      meanDelayMs,
      width: { least: 10, most: 100, perMix: 1_000 },
      descriptors: [],
      revoked: [],
      commit: commitTo('0'.repeat(64)),
      geometry: { suite: 1, hops: 3, routingBytes: 1, packetBytes: 1, digest: '0'.repeat(64) },
    },
    signer,
  );

const bench = createCouncilBench();
const { open, begin, names, trust, reader, running, haveAll, alarmsOf, whyOf, theOne, isOwn, otherVote } =
  bench;
afterEach(bench.close);

describe('of authorities that are faulty', () => {
  test('one that says two things is found out by all, has no vote, and both are kept', async () => {
    await begin(3);
    bench.council.wire = (letter) =>
      isOwn(letter, 'vote') && letter.from === 'authority1.test' && letter.to !== 'authority2.test'
        ? { body: otherVote(letter.body ?? '', 0) }
        : {};
    await bench.council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    for (const at of [1, 2]) {
      expect(alarmsOf(at)).toContain('equivocation authority1.test');
      const record = await get(bench.council.member(at).running as never, `/v1/agreement/${epoch}`);
      const { votes } = JSON.parse(record.text) as { votes: string[] };
      const two = votes.filter((signed) => signed.includes('{"authority":"authority1.test"'));
      expect(
        new Set(
          two.map((signed) => readVote(signed, reader())).map((one) => one.kind === 'ballot' && one.digest),
        ).size,
      ).toBe(2);
    }
  });

  test('one whose keys are used twice is told so, and is named again by who is started anew', async () => {
    await begin(3);
    bench.council.wire = (letter) =>
      isOwn(letter, 'vote') && letter.from === 'authority1.test' && letter.to === 'authority3.test'
        ? { body: otherVote(letter.body ?? '', 0) }
        : {};
    await bench.council.untilHolds(haveAll(epoch), hour);
    bench.council.wire = () => ({});
    await bench.council.until(epoch * hour + 600_000);
    expect(bench.council.member(0).lines).toContainEqual({
      level: 'error',
      event: 'alarm',
      fields: {
        kind: 'key-used-twice',
        about: 'authority1.test',
        why: expect.stringMatching(/^a vote in slot \d of epoch 1000 is signed by this authority's keys/),
      },
    });
    for (const at of [0, 1]) await bench.council.stop(at);
    for (const at of [0, 1]) await bench.council.start(at);
    expect(alarmsOf(0)).toContain('key-used-twice authority1.test');
    expect(alarmsOf(1)).toContain('equivocation authority1.test');
  });

  test('one that has its consensus between two slots looks back at it as well', async () => {
    await begin(3);
    // of the slot after the first in which all take part
    const nextMs = start + 480_000;
    bench.council.wire = (letter) => {
      const { from, to, path } = letter;
      if (isOwn(letter, 'vote') && from === 'authority1.test' && to === 'authority3.test')
        return { body: otherVote(letter.body ?? '', 0) };
      const now = bench.council.clock.now();
      if (now < start + 130_000 || now > nextMs + 30_000) return {};
      // it is late with what it does before the next slot
      if (from === 'authority1.test' && path === '/v1/certificates') return { delayMs: 120_000 };
      const isOfDocument = path === '/v1/agreement/signatures' || path.endsWith('/consensus');
      return isOfDocument && [from, to].includes('authority1.test') ? 'lost' : {};
    };
    await bench.council.until(nextMs + 10_000);
    expect(running().map((one) => one.status().consensus?.epoch)).toEqual([undefined, epoch, epoch]);
    await bench.council.until(nextMs + 300_000);
    expect(running().map((one) => one.status().consensus?.epoch)).toEqual([epoch, epoch, epoch]);
    expect(alarmsOf(0)).toContain('key-used-twice authority1.test');
  });

  test('one in whose name somebody else votes before it does is told so, and has its vote', async () => {
    await begin(3);
    // the slot has begun, and votes are sent half a round later
    await bench.council.until(start + 130_000);
    const { signer } = bench.council.member(0);
    for (const meanDelayMs of [7, 8])
      expect(await send(bench.first(), 'agreement/votes', voteOf(signer, 3, meanDelayMs))).toBe(409);
    expect(alarmsOf(0)).toContain('key-used-twice authority1.test');
    await bench.council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).consensus.votes.map(({ authority }) => authority)).toEqual(names());
    expect(alarmsOf(0)).not.toContain('silent authority1.test');
  });

  test('one in whose name somebody else votes after it does is told so, and not that nobody has taken its vote', async () => {
    await begin(3);
    await bench.council.untilHolds(haveAll(epoch), hour);
    await bench.council.until((epoch + 0.75) * hour + 40_000);
    const other = voteOf(bench.council.member(0).signer, 0, 7, epoch + 1);
    expect(await send(bench.first(), 'agreement/votes', other)).toBe(202);
    await bench.council.untilHolds(haveAll(epoch + 1), hour);
    const { consensus } = await theOne(epoch + 1);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    expect(alarmsOf(0)).toEqual(['key-used-twice authority1.test']);
  });

  test('one that withholds its value has a vote, and the value of all others is drawn without it', async () => {
    await begin(3);
    bench.council.wire = (letter) =>
      isOwn(letter, 'reveal') && letter.from === 'authority2.test' ? 'lost' : {};
    await bench.council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes).toHaveLength(3);
    expect(consensus.reveals.map(({ authority }) => authority)).toEqual([
      'authority1.test',
      'authority3.test',
    ]);
    expect(alarmsOf(0)).toContain('withheld-reveal authority2.test');
  });

  test('one that tells its value to one other at the last moment has told it to all or to none', async () => {
    await begin(4);
    bench.council.wire = (letter) => {
      if (!isOwn(letter, 'reveal') || letter.from !== 'authority1.test') return {};
      return letter.to === 'authority2.test' ? { delayMs: 59_999 } : 'lost';
    };
    await bench.council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).consensus.reveals.map(({ authority }) => authority)).toEqual(names());
  });

  test('one that is late with everything does not count, and the others agree', async () => {
    await begin(3);
    bench.council.wire = ({ from }) => (from === 'authority3.test' ? { delayMs: 400_000 } : {});
    await bench.council.untilHolds(
      () =>
        running()
          .slice(0, 2)
          .every((one) => one.status().consensus),
      hour,
    );
    const { consensus } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(0, 2));
  });

  test('one whose vote comes too late does not count it either, and signs what the others do', async () => {
    await begin(3);
    bench.council.wire = (letter) =>
      isOwn(letter, 'vote') && letter.from === 'authority1.test' ? { delayMs: 200_000 } : {};
    await bench.council.untilHolds(haveAll(epoch), hour);
    await bench.council.until(bench.council.clock.now() + 60_000);
    const { consensus, signedBy } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    expect(signedBy).toEqual(names());
  });

  test('one that names descriptors which nobody has got has a vote, and they do not count', async () => {
    await begin(3);
    const made = { id: 'a'.repeat(64), digest: 'b'.repeat(64) };
    bench.council.wire = (letter) => {
      if (letter.from !== 'authority1.test' || !isOwn(letter, 'vote')) return {};
      return { body: otherVote(letter.body ?? '', 0, { descriptors: [made] }) };
    };
    await bench.council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names());
    expect(consensus.nodes.map(({ name }) => name).sort()).toEqual(mixes);
  });

  test('one that floods the others costs them two votes and no more, and is cut off', async () => {
    await begin(3);
    const until = start + 130_000;
    await bench.council.until(until);
    const [, second, third] = running();
    const { signer } = bench.council.member(0);
    const of = (slot: number, meanDelayMs: number): string => voteOf(signer, slot, meanDelayMs);
    const statuses: number[] = [];
    for (let at = 0; at < 100; at++) statuses.push(await send(second, 'agreement/votes', of(3, at)));
    expect(new Set(statuses)).toEqual(new Set([202]));
    statuses.length = 0;
    for (let at = 0; at < 100; at++) statuses.push(await send(third, 'agreement/votes', of(77, at)));
    expect(new Set(statuses)).toEqual(new Set([409, 429]));
    expect(await send(second, 'agreement/votes', 'x')).toBe(400);
    expect(await send(second, 'agreement/reveals', 'x')).toBe(409);
    await bench.council.untilHolds(haveAll(epoch), hour);
    const { consensus } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names().slice(1));
    const record = await get(second as never, `/v1/agreement/${epoch}`);
    expect((JSON.parse(record.text) as { votes: string[] }).votes).toHaveLength(4);
  });

  test('one whose clock is two minutes off is named by the others and by itself', async () => {
    await open(3);
    for (const at of [0, 1]) await bench.council.start(at);
    await bench.council.start(2, {}, { aheadMs: 120_000 });
    await bench.council.register(...mixes);
    await bench.council.untilHolds(haveAll(epoch), hour);
    expect((await theOne(epoch)).consensus.votes.map(({ authority }) => authority)).toEqual(
      names().slice(0, 2),
    );
    expect(alarmsOf(0)).toContain('peer-clock-off authority3.test');
    expect(alarmsOf(2)).toContain('clock-off authority3.test');
    expect(whyOf(2, 'clock-off')).toBe("its clock is about 120 s ahead of most others'");
  });

  test('two documents of one for an epoch are kept and named', async () => {
    await begin(3);
    bench.council.wire = (letter) => {
      if (letter.from !== 'authority1.test' || letter.path !== '/v1/agreement/signatures') return {};
      const read = readCertifiedConsensus(letter.body ?? '', trust());
      if (read.kind === 'refused') throw new Error(read.detail);
      const other = signCertifiedConsensus(
        { ...read.consensus, meanDelayMs: 7 },
        bench.council.member(0).signer,
      );
      return letter.to === 'authority2.test' ? { body: other } : {};
    };
    await bench.council.untilHolds(haveAll(epoch), hour);
    await bench.council.until(bench.council.clock.now() + 300_000);
    const { digest } = await theOne(epoch);
    expect(alarmsOf(1)).toContain('signed-twice authority1.test');
    const record = await get(bench.council.member(1).running as never, `/v1/agreement/${epoch}`);
    const { documents } = JSON.parse(record.text) as { documents: string[] };
    const two = documents.map((signed) => readConsensus(signed, trust()));
    expect(two).toHaveLength(2);
    for (const one of two)
      expect(one).toMatchObject({ kind: 'signed', signedBy: expect.arrayContaining(['authority1.test']) });
    expect(two.map((one) => one.kind === 'signed' && one.digest)).toContain(digest);
    expect(whyOf(1, 'signed-twice')).toContain(digest.slice(0, 12));
  });
});

describe('somebody who is no authority', () => {
  test('and sends one of them what others have said before, without end, keeps none of them from being heard', async () => {
    await begin(2);
    const [, second] = running();
    const replay = voteOf(bench.council.member(0).signer, 77, 0);
    expect(await send(second, 'agreement/votes', replay)).not.toBe(202);
    const flood = async (): Promise<void> => {
      while ((await send(second, 'agreement/signatures', 'x')) !== 429);
    };
    // what others send comes right after what that one sends
    bench.council.wire = ({ to, body }) =>
      to === 'authority2.test' && body !== undefined ? { delayMs: 1 } : {};
    while (!haveAll(epoch)()) {
      const next = bench.council.clock.next();
      if (next <= bench.council.clock.now() + 1) await flood();
      if (next > (epoch + 1) * hour) throw new Error('there is no consensus');
      await bench.council.until(next);
    }
    const { consensus, signedBy } = await theOne(epoch);
    expect(consensus.votes.map(({ authority }) => authority)).toEqual(names());
    expect(consensus.reveals.map(({ authority }) => authority)).toEqual(names());
    expect(signedBy).toContain('authority2.test');
  });

  test('and registers a descriptor again and again has none of them ask another', async () => {
    await begin(2);
    let asked = 0;
    bench.council.wire = ({ path }) => {
      if (path.endsWith('/consensus')) asked += 1;
      return path === '/v1/agreement/signatures' || path.endsWith('/consensus') ? 'lost' : {};
    };
    await bench.council.untilHolds(() => asked > 0, hour);
    const before = asked;
    for (let at = 0; at < 30; at++) await bench.council.register(...mixes.slice(0, 1));
    await bench.council.register('another.test');
    expect(asked).toBe(before);
  });
});
