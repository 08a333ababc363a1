import { commitTo, countersign, signVote, type Vote, writeGeometry } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { seeded, testAuthority } from '@postern/protocol/testing';
import { expect, test, vi } from 'vitest';
import { type Agreement, type AgreementOptions, createAgreement, type Draft } from './agreement.ts';
import type { Members } from './members.ts';
import type { Push } from './peers.ts';

const now = 1_000_000;
const roundMs = 1_000;
const slot = { epoch: 7, slot: 3, startMs: now * 1_000, endMs: now * 1_000 + 6 * roundMs, roundMs };
const signers = ['a', 'b', 'x'].map((letter) => testAuthority(`${letter}.test`, { now }));
const [first, second, faulty] = signers as [(typeof signers)[0], (typeof signers)[0], (typeof signers)[0]];
const names = signers.map(({ name }) => name);

const members: Members = {
  name: first.name,
  names,
  others: [],
  threshold: 2,
  authorities: signers.map(({ key }) => key),
  signingKeys: [],
  signerFor: () => first,
  validUntil: () => 0,
};

function open(signer: typeof first, draft: () => Draft | undefined = () => undefined) {
  const passed: { readonly signed: string; readonly to: Push }[] = [];
  const options = {
    slot,
    members,
    signer,
    random: seeded(signer.name),
    draft,
    keep: vi.fn<AgreementOptions['keep']>(),
    pass: (_: string, signed: string, to: Push) => void passed.push({ signed, to }),
    usedTwice: vi.fn<AgreementOptions['usedTwice']>(),
    counted: vi.fn<AgreementOptions['counted']>(),
  };
  return { ...options, passed, agreement: createAgreement(options) };
}

const draft: Draft = {
  previous: '',
  signed: '',
  epochSeconds: 60,
  geometry: writeGeometry(defaultGeometry),
  meanDelayMs: 200,
  width: { least: 10, most: 100, perMix: 1_000 },
  descriptors: [],
  revoked: [],
};
const inRound = (round: number): number => slot.startMs + roundMs * (round - 0.5) + 1;

/** A vote that names something else each time. */
function voteOf(signer: typeof first, nth: number): string {
  const digest = `${nth}`.repeat(64);
  const vote: Vote = {
    ...draft,
    version: 1,
    epoch: 7,
    slot: 3,
    authority: signer.name,
    descriptors: [{ id: digest, digest }],
    commit: commitTo('0'.repeat(64)),
  };
  return signVote(vote, signer);
}

const votesOf = ({ advance }: Agreement) => {
  const progress = advance(slot.endMs);
  return progress.kind === 'closed' ? [...progress.outcome.votes.keys()] : undefined;
};

test('what one takes, all others take once it is passed on, whatever it names and whoever has certified its key', () => {
  const other = testAuthority(faulty.name, { now, generation: 2 });
  const [one, two] = [open(first), open(second)];
  // the key is known to nobody, and nobody has what the vote names
  expect(one.agreement.receive('vote', voteOf(other, 1), inRound(1))).toEqual({ kind: 'taken' });
  const [passed] = one.passed;
  expect(two.agreement.receive('vote', passed?.signed ?? '', inRound(2))).toEqual({ kind: 'taken' });
  for (const { agreement } of [one, two]) expect(votesOf(agreement)).toEqual([faulty.name]);
});

test('of one that sends each something else, all find out, though it has sent one of them two already', () => {
  const [one, two] = [open(first), open(second)];
  for (const nth of [1, 2]) two.agreement.receive('vote', voteOf(faulty, nth), inRound(1));
  one.agreement.receive('vote', voteOf(faulty, 3), inRound(1));
  for (const { signed } of two.passed) one.agreement.receive('vote', signed, inRound(2));
  for (const { signed } of one.passed) two.agreement.receive('vote', signed, inRound(2));
  for (const { agreement } of [one, two]) expect(votesOf(agreement)).toEqual([]);
});

test('what could not be kept has not been taken, and is taken when it comes again', () => {
  const { agreement, keep, passed } = open(first);
  keep.mockImplementationOnce(() => {
    throw new Error('the disk is full');
  });
  expect(() => agreement.receive('vote', voteOf(second, 1), inRound(1))).toThrow('the disk is full');
  expect(passed).toEqual([]);
  expect(agreement.receive('vote', voteOf(second, 1), inRound(1))).toEqual({ kind: 'taken' });
  expect(keep).toHaveBeenCalledTimes(2);
  expect(passed).toHaveLength(1);
  expect(agreement.receive('vote', voteOf(second, 1), inRound(1))).toEqual({ kind: 'known' });
});

test('a vote of its own that could not be kept is said later', () => {
  const { agreement, keep, passed } = open(first, () => draft);
  keep.mockImplementationOnce(() => {
    throw new Error('the disk is full');
  });
  expect(() => agreement.advance(inRound(1))).toThrow('the disk is full');
  agreement.advance(inRound(1));
  expect(passed).toHaveLength(1);
  expect(agreement.receive('vote', countersign(passed[0]?.signed ?? '', second), inRound(1))).toEqual({
    kind: 'known',
  });
});

test('a vote under its own name that it has not made is told at once, and taken only when it has voted', () => {
  const { agreement, keep, passed, usedTwice } = open(first, () => draft);
  const forged = voteOf(first, 1).replace('"meanDelayMs":200', '"meanDelayMs":2');
  expect(agreement.receive('vote', forged, slot.startMs)).toMatchObject({ reason: 'no-ballot' });
  expect(usedTwice).not.toHaveBeenCalled();
  for (const nth of [1, 1, 2])
    expect(agreement.receive('vote', voteOf(first, nth), slot.startMs)).toMatchObject({ reason: 'early' });
  expect(usedTwice).toHaveBeenCalledTimes(1);
  expect(keep).not.toHaveBeenCalled();
  agreement.advance(inRound(1));
  const [own] = passed;
  expect(agreement.receive('vote', own?.signed ?? '', inRound(1))).toEqual({ kind: 'known' });
  own?.to.taken?.();
  expect(votesOf(agreement)).toEqual([first.name]);
});

test('a vote under its own name that it has not made is one of two once it has voted', () => {
  const { agreement, keep, passed, usedTwice } = open(first, () => draft);
  agreement.advance(inRound(1));
  passed[0]?.to.taken?.();
  expect(agreement.receive('vote', voteOf(first, 1), inRound(1))).toEqual({ kind: 'taken' });
  expect(usedTwice).toHaveBeenCalledTimes(1);
  expect(keep).toHaveBeenCalledTimes(2);
  expect(votesOf(agreement)).toEqual([]);
});

test('the votes are told once, when no more are taken', () => {
  const { agreement, counted } = open(first);
  agreement.receive('vote', voteOf(second, 1), inRound(1));
  agreement.advance(inRound(2));
  expect(counted).not.toHaveBeenCalled();
  for (const round of [3, 3.4]) agreement.advance(inRound(round));
  expect(counted.mock.calls.map(([votes]) => [...votes.keys()])).toEqual([[second.name]]);
});
