import {
  ballotDigest,
  commitTo,
  consensusDigest,
  epochAt,
  signConsensus,
  signVote,
  tabulate,
  type Vote,
  verifyDescriptor,
  writeGeometry,
} from '@postern/protocol/consensus';
import { emptyRange, headOf } from '@postern/protocol/log';
import { defaultGeometry } from '@postern/protocol/packet';
import { testAuthority } from '@postern/protocol/testing';
import { describe, expect, test, vi } from 'vitest';
import { configFor } from '../testing/authorities.ts';
import { agendaOf } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import { openSeat, type Seat } from '../testing/seat.ts';
import { agree } from './agree.ts';
import { shortKey } from './authorities.ts';
import { confirm, lookBack } from './confirm.ts';
import { draftOf, standpointOf } from './draft.ts';
import type { Preparation } from './preparation.ts';

const epoch = epochAt(start / 1_000, epochSeconds);
/** Slots of which the last one begins a day later. */
const slots = { epoch, starts: [0, 0, 0, 0, 86_400_000].map((later) => start + later) };

function voteOf(authority: string, change: Partial<Vote> = {}): Vote {
  return {
    version: 1,
    epoch,
    slot: 3,
    authority,
    previous: '',
    signed: '',
    epochSeconds,
    geometry: writeGeometry(defaultGeometry),
    meanDelayMs: 200,
    width: { least: 10, most: 100, perMix: 1_000 },
    descriptors: [],
    revoked: [],
    commit: commitTo('00'.repeat(32)),
    ...change,
  };
}

const record = (said: { votes?: readonly string[]; documents?: readonly string[] }): string =>
  JSON.stringify({ epoch, votes: [], reveals: [], documents: [], ...said });

/** What an authority goes by that has one node, and nothing else in its way. */
const holdings = (seat: Seat, maySign = true): Parameters<typeof draftOf>[0] => ({
  ...seat,
  config: configFor('/nowhere', { name: seat.members.name, bootstrap: { nodes: 1 } }),
  preparation: { maySign: () => maySign, othersHold: () => false } as unknown as Preparation,
});
const draftIn = (seat: Seat, of: number, slot = 0): ReturnType<typeof draftOf> => {
  const signed = signedNode('mix1.test', start);
  const verified = verifyDescriptor(signed);
  if (verified.kind === 'descriptor') seat.store.put({ ...verified, signed });
  return draftOf(holdings(seat), { epoch: of, slot }, 0);
};

describe('an authority that was started anew', () => {
  test.each([
    [3, 2, 2],
    [5, 3, 3],
    [5, 4, 4],
    [4, 4, 3],
  ])('of %i, of whom %i sign, waits for %i others', async (count, threshold, wanted) => {
    await using seat = await openSeat(count, threshold);
    for (const { name } of seat.members.others.slice(0, wanted - 1)) seat.others[name] = () => undefined;
    expect(await confirm(seat, slots)).toBe(false);
    expect(draftOf(holdings(seat, false), { epoch, slot: 0 }, 0)).toEqual({ kind: 'unconfirmed', wanted });
    for (const { name } of seat.members.others.slice(0, wanted)) seat.others[name] = () => record({});
    expect(await confirm(seat, slots)).toBe(true);
    expect(seat.kinds()).toEqual([]);
  });

  test('is not confirmed by what is no authority, nor by one that knows no such path', async () => {
    await using seat = await openSeat();
    const nothing = { kind: 'answer', status: 404, text: 'not found', date: undefined } as const;
    const text = '{"error":"no-such-path","message":"what there is stands in /openapi.json"}';
    const by = shortKey(seat.authorities[1]?.key as never);
    seat.others['authority3.test'] = () => undefined;
    for (const answer of [nothing, { ...nothing, text, by }]) {
      seat.others['authority2.test'] = () => answer;
      expect(await confirm(seat, slots)).toBe(false);
    }
    seat.others['authority2.test'] = () => ({ ...nothing, by });
    expect(await confirm(seat, slots)).toBe(true);
  });

  test('asks the others for its own votes and the documents, however much all have said', async () => {
    await using seat = await openSeat();
    const own = `/v1/agreement/${epoch}?of=authority1.test`;
    const vote = signVote(voteOf('authority1.test'), seat.authorities[0] as never);
    seat.others['authority2.test'] = (path) => (path === own ? record({ votes: [vote] }) : 'hangs');
    seat.others['authority3.test'] = (path) => (path === own ? undefined : 'hangs');
    expect(await confirm(seat, slots)).toBe(true);
    expect(seat.asked).toEqual([`authority2.test ${own}`, `authority3.test ${own}`]);
    expect(seat.kinds()).toEqual(['store-restored authority1.test']);
  });

  test('takes more than anybody can have said for no answer', async () => {
    await using seat = await openSeat();
    const known = signVote(voteOf('authority1.test'), seat.authorities[0] as never);
    const digest = ballotDigest(known) ?? '';
    seat.store.keep([{ epoch, part: 'vote', authority: 'authority1.test', digest, signed: known }]);
    const votes = (count: number): string[] => Array.from({ length: count }, () => known);
    seat.others['authority3.test'] = () => record({});
    for (const [said, confirms] of [
      [{ votes: votes(10) }, true],
      [{ votes: votes(11) }, false],
      [{ documents: Array.from({ length: 8 }, () => 'x') }, true],
      [{ documents: Array.from({ length: 9 }, () => 'x') }, false],
    ] as const) {
      seat.others['authority2.test'] = () => record(said);
      expect(await confirm(seat, slots)).toBe(confirms);
    }
    expect(seat.kinds()).toEqual([]);
  });

  test('takes what bears its name, and cannot be held against it, for no answer', async () => {
    await using seat = await openSeat();
    const [own, second] = seat.authorities as [never, never];
    const other = { ...agendaOf(epoch), previous: '', log: headOf(emptyRange) };
    const borne = signConsensus(tabulate([], other), [second]).replace('authority2.test', 'authority1.test');
    seat.others['authority3.test'] = () => record({});
    for (const said of [
      { votes: ['postern.vote/v1\n{"authority":"authority1.test","slot":1'] },
      { votes: [signVote(voteOf('authority1.test', { epoch: epoch - 1 }), own)] },
      { votes: [signVote(voteOf('authority1.test', { slot: 9 }), own)] },
      { votes: [signVote(voteOf('authority1.test'), own).replace('"meanDelayMs":200', '"meanDelayMs":2')] },
      { documents: [borne] },
    ]) {
      seat.others['authority2.test'] = () => record(said);
      expect({ said, confirms: await confirm(seat, slots) }).toEqual({ said, confirms: false });
    }
    expect(seat.kinds()).toEqual([]);
  });

  test('knows a vote of its own by a key of the time of its slot', async () => {
    await using seat = await openSeat();
    const { name } = seat.members;
    const now = start / 1_000;
    const change = { validAfter: now + 3_600, validUntil: now + 7 * 86_400 };
    const later = testAuthority(name, { now, generation: 2, change });
    seat.others['authority2.test'] = () => record({ votes: [signVote(voteOf(name, { slot: 4 }), later)] });
    seat.others['authority3.test'] = () => record({});
    expect(await confirm(seat, slots)).toBe(true);
    expect(seat.kinds()).toEqual([`store-restored ${name}`]);
  });

  test('has no second vote in a slot for which its store has one, whatever the clock says', async () => {
    await using seat = await openSeat();
    const { name } = seat.members;
    const signed = signVote(voteOf(name), seat.authorities[0] as never);
    const own = { epoch, part: 'vote', authority: name, digest: 'ab' } as const;
    seat.store.keep([own, { ...own, authority: 'authority2.test' }].map((one) => ({ ...one, signed })));
    // those of others are long, and not read
    const read = vi.spyOn(seat.store, 'keptNote');
    expect(draftIn(seat, epoch, 3)).toEqual({ kind: 'voted-before', slot: 3 });
    expect(draftIn(seat, epoch, 2)).toMatchObject({ draft: { previous: '' } });
    expect(read.mock.calls).toEqual([[own], [own]]);
  });
});

describe('an authority that looks back at a slot', () => {
  const ownVote = (seat: Seat, change: Partial<Vote> = {}): string =>
    signVote(voteOf(seat.members.name, change), seat.authorities[0] as never);
  const keep = (seat: Seat, signed: string): void =>
    seat.store.keep([
      { epoch, part: 'vote', authority: seat.members.name, digest: ballotDigest(signed) ?? '', signed },
    ]);

  test('finds a vote under its name that it has not made, keeps it, and spends no epoch', async () => {
    await using seat = await openSeat();
    const [own, other] = [ownVote(seat), ownVote(seat, { meanDelayMs: 7 })];
    keep(seat, own);
    seat.others['authority2.test'] = () => record({ votes: [own, other] });
    await lookBack(seat, slots);
    expect(seat.alarms.standing).toEqual([
      {
        kind: 'key-used-twice',
        about: 'authority1.test',
        why: `a vote in slot 3 of epoch ${epoch} is signed by this authority's keys and was not made here: they run a second time, or are in other hands`,
      },
    ]);
    expect(seat.store.keptDigests(epoch).map(({ digest }) => digest)).toContain(ballotDigest(other));
    expect(seat.store.signedFor(epoch)).toBeUndefined();
  });

  test('keeps two votes of a slot and no more, and says all the same that there is another', async () => {
    await using seat = await openSeat();
    const [own, ...others] = [200, 7, 8].map((meanDelayMs) => ownVote(seat, { meanDelayMs })) as [string];
    keep(seat, own);
    for (const [at, { name }] of seat.members.others.entries())
      seat.others[name] = () => record({ votes: others.slice(at, at + 1) });
    await lookBack(seat, slots);
    expect(seat.store.keptDigests(epoch)).toHaveLength(2);
    seat.alarms.clear('key-used-twice', seat.members.name);
    await lookBack(seat, slots);
    expect(seat.store.keptDigests(epoch)).toHaveLength(2);
    expect(seat.kinds()).toEqual(['key-used-twice authority1.test']);
    // one of another slot is none too many
    seat.others['authority2.test'] = () => record({ votes: [ownVote(seat, { slot: 4 })] });
    await lookBack(seat, slots);
    expect(seat.store.keptDigests(epoch)).toHaveLength(3);
  });

  test('finds a document that it has not signed', async () => {
    await using seat = await openSeat();
    const consensus = tabulate([], { ...agendaOf(epoch), previous: '', log: headOf(emptyRange) });
    const signed = signConsensus(consensus, [seat.authorities[0] as never]);
    seat.others['authority3.test'] = () => record({ documents: [signed] });
    await lookBack(seat, slots);
    expect(seat.kinds()).toEqual(['key-used-twice authority1.test']);
  });

  test('finds nothing in what it has said itself, even while others are asked, and in what does not hold', async () => {
    await using seat = await openSeat();
    const [own, later] = [ownVote(seat), ownVote(seat, { slot: 4 })];
    keep(seat, own);
    seat.others['authority2.test'] = () => {
      keep(seat, later);
      return record({ votes: [own, later] });
    };
    const forged = ownVote(seat).replace('"meanDelayMs":200', '"meanDelayMs":2');
    seat.others['authority3.test'] = () => record({ votes: [forged] });
    await lookBack(seat, slots);
    expect(seat.kinds()).toEqual([]);
  });
});

describe('an authority whose store is an older one', () => {
  const agenda = { ...agendaOf(epoch), previous: '', log: headOf(emptyRange) };
  const consensus = tabulate([], agenda);
  const digest = consensusDigest(consensus);

  test('has no vote while what it has signed is not known, and then votes that it has signed it', async () => {
    await using seat = await openSeat();
    const [own, second] = seat.authorities as [never, never];
    seat.others['authority2.test'] = () => record({ votes: [signVote(voteOf('authority1.test'), own)] });
    seat.others['authority3.test'] = () => record({});
    expect(await confirm(seat, slots)).toBe(true);
    expect(seat.kinds()).toEqual(['store-restored authority1.test']);
    for (const of of [epoch, epoch + 1]) expect(draftIn(seat, of)).toEqual({ kind: 'signed-before', epoch });
    // that of somebody else does not count
    seat.others['authority3.test'] = () => record({ documents: [signConsensus(consensus, [second])] });
    await confirm(seat, slots);
    expect(draftIn(seat, epoch + 1)).toEqual({ kind: 'signed-before', epoch });
    seat.others['authority3.test'] = () => record({ documents: [signConsensus(consensus, [own, second])] });
    await confirm(seat, slots);
    expect(draftIn(seat, epoch)).toEqual({ kind: 'signed-before', epoch });
    expect(draftIn(seat, epoch + 1)).toMatchObject({ draft: { signed: digest } });
    // what is known is not forgotten when it is found a second time without
    seat.store.spend(epoch, '');
    expect(draftIn(seat, epoch + 1)).toMatchObject({ draft: { signed: digest } });
    // after two epochs nobody uses it any more
    expect(standpointOf(holdings(seat), epoch + 3).open).toBeUndefined();
  });

  test('signs nothing beside what may have become a consensus before enough say that they have not signed that', async () => {
    await using seat = await openSeat(5, 3);
    seat.store.spend(epoch, digest);
    const outcomeOf = (signed: readonly string[]): Parameters<typeof agree>[0] => ({
      votes: new Map(
        signed.map((one, index) => {
          const value = voteOf(`authority${index + 1}.test`, { epoch: epoch + 1, signed: one });
          return [value.authority, { value, digest: `${index}`.repeat(64), signed: '' }];
        }),
      ),
      reveals: new Map(),
    });
    const standpoint = standpointOf(holdings(seat), epoch + 1);
    const kindOf = (signed: readonly string[], of = standpoint): string => {
      const agreed = agree(outcomeOf(signed), of);
      return agreed.kind === 'agreed' ? agreed.kind : agreed.holdup.kind;
    };
    // three of five could have signed it
    expect(kindOf([digest, digest, '', ''])).toBe('signed-before');
    expect(kindOf([digest, '', '', ''])).toBe('empty-layer');
    expect(kindOf([digest, digest, '', '', 'ab'.repeat(32)])).toBe('empty-layer');
    // for its own epoch there is none beside it, and a consensus that is known locks nothing
    expect(kindOf(['', '', '', ''], standpointOf(holdings(seat), epoch))).toBe('signed-before');
    expect(kindOf([digest, digest, digest], standpointOf(holdings(seat), epoch + 3))).toBe('empty-layer');
  });
});
