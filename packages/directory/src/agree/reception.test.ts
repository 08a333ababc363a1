import { setImmediate as turn } from 'node:timers/promises';
import {
  ballotDigest,
  commitTo,
  countersign,
  signReveal,
  signVote,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { seeded } from '@postern/protocol/testing';
import { expect, test, vi } from 'vitest';
import type { BallotFault, Part, Receipt } from '../ballots.ts';
import { FakeClock, start } from '../testing/clock.ts';
import { openSeat } from '../testing/seat.ts';
import { createAgreement } from './agreement.ts';
import { createFetchPassed } from './fetch-passed.ts';
import { createHearing } from './hearing.ts';
import { createPassed } from './passed.ts';
import { createReception } from './reception.ts';

const refused = (): Receipt => ({ kind: 'refused', reason: 'no-ballot', detail: '' });
const taken = (): Receipt => ({ kind: 'taken' });

test('what is not taken counts against all who post, and what one gives against that one alone', async () => {
  await using seat = await openSeat();
  const clock = new FakeClock();
  let away = 0;
  const { members } = seat;
  const reception = createReception({ clock, members, turnedAway: () => away++ });
  const tell = (receipt: Receipt): string => (receipt.kind === 'refused' ? receipt.reason : receipt.kind);
  const post = (take: () => Receipt, length = 262_144): string =>
    tell(reception.posted('x'.repeat(length), take));
  const give = (name: string, take: () => Receipt): string => tell(reception.asked(name, 'x', take));
  // what is taken costs nothing, nor does what is too early
  for (let at = 0; at < 200; at++) post(taken);
  for (let at = 0; at < 200; at++) post(() => ({ kind: 'refused', reason: 'early', detail: '' }));
  let most = 0;
  while (post(refused) !== 'too-often') most += 1;
  expect(most).toBe(32 + 16 * 3);
  expect(post(taken)).toBe('too-often');
  expect(away).toBe(2);
  for (let at = 0; at < most; at++) give('authority2.test', refused);
  expect([give('authority2.test', taken), give('authority3.test', taken)]).toEqual(['too-often', 'taken']);
  expect(away).toBe(2);
  clock.advance(1_000);
  expect([post(taken), post(refused), post(refused)]).toEqual(['taken', 'no-ballot', 'too-often']);
  // what takes longer to look at is less often, and counts apart
  const longer = 262_145;
  for (most = 0; post(refused, longer) !== 'too-often'; most++);
  expect(most).toBe(4 + 2 * 3);
  clock.advance(1_000);
  expect([post(taken, longer), post(taken)]).toEqual(['too-often', 'taken']);
  clock.advance(15_000);
  expect([post(refused, longer), post(refused, longer)]).toEqual(['no-ballot', 'too-often']);
});

test('a document that another one was asked for counts against that one, too', async () => {
  await using seat = await openSeat();
  const receive = vi.fn<() => Receipt>(refused);
  const hearing = createHearing({
    ...seat,
    clock: new FakeClock(),
    passed: createPassed(),
    signatures: { receive },
    retryMs: 1_000,
    failed: () => {},
    agreementAt: () => undefined,
  });
  for (let at = 0; at < 100; at++) hearing.given('authority2.test', 'x');
  expect(receive).toHaveBeenCalledTimes(32 + 16 * 3);
  for (const name of ['authority2.test', 'authority3.test']) hearing.given(name, 'x');
  hearing.document('x');
  expect(receive).toHaveBeenCalledTimes(32 + 16 * 3 + 2);
});

test('what another one passes on is come for once, whatever it gives, and again when it could not be taken yet', async () => {
  await using seat = await openSeat();
  const [vote, reveal, absent] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [
    string,
    string,
    string,
  ];
  seat.others['authority2.test'] = (path) => {
    if (path === '/v1/agreement/passed') return JSON.stringify({ votes: [vote, absent], reveals: [reveal] });
    return path.endsWith(absent) ? 'hangs' : `ballot ${path.at(-1)}`;
  };
  seat.others['authority3.test'] = () =>
    JSON.stringify({ votes: Array.from({ length: 7 }, () => vote), reveals: [] });
  const came: string[] = [];
  let isEarly = true;
  const fetchPassed = createFetchPassed({
    peers: seat.peers,
    members: 3,
    holds: () => false,
    receive(name, part, signed) {
      came.push(`${name} ${part} ${signed}`);
      return part === 'reveal' && isEarly ? { kind: 'refused', reason: 'early', detail: '' } : refused();
    },
  });
  await fetchPassed('authority2.test');
  expect(came).toEqual(['authority2.test vote ballot a', 'authority2.test reveal ballot b']);
  isEarly = false;
  for (let at = 0; at < 3; at++) await fetchPassed('authority2.test');
  expect(came.slice(2)).toEqual(['authority2.test reveal ballot b']);
  // more than two of each authority is no list
  seat.asked.length = 0;
  await fetchPassed('authority3.test');
  expect(seat.asked).toEqual(['authority3.test /v1/agreement/passed']);
});

test.each<[BallotFault, number]>([
  ['early', 3],
  ['not-ready', 3],
  ['too-often', 3],
  ['late', 1],
  ['other-slot', 1],
  ['not-committed', 1],
  ['no-ballot', 1],
])(
  'what another one passes on, and is refused as `%s`, is come for %i times of three',
  async (reason, times) => {
    await using seat = await openSeat();
    const [held, other] = ['a'.repeat(64), 'b'.repeat(64)];
    seat.others['authority2.test'] = (path) =>
      path === '/v1/agreement/passed' ? JSON.stringify({ votes: [held, other], reveals: [] }) : 'ballot';
    const here = new Set([held]);
    const fetchPassed = createFetchPassed({
      peers: seat.peers,
      members: 3,
      holds: (digest) => here.has(digest),
      receive: () => ({ kind: 'refused', reason, detail: '' }),
    });
    for (let at = 0; at < 3; at++) {
      await fetchPassed('authority2.test');
      // the slot is over here, and not there
      here.clear();
    }
    const came = seat.asked.filter((one) => one.includes('/passed/'));
    expect(came).toEqual(
      Array.from({ length: times }, () => `authority2.test /v1/agreement/passed/${other}`),
    );
  },
);

test('a flood that begins once votes are closed keeps nothing that another one reveals late from being heard', async () => {
  await using seat = await openSeat(5, 3);
  const { authorities, members } = seat;
  const [own, second, , fourth, fifth] = authorities as [never, never, never, never, never];
  const roundMs = 15_000;
  const slot = { epoch: 1_000, slot: 0, startMs: start, endMs: start + 10 * roundMs, roundMs };
  const head = { version: 1, epoch: 1_000, slot: 0 } as const;
  const vote = (at: number, meanDelayMs = 200): string => {
    const signer = authorities[at] as never;
    const parameters = { epochSeconds: 600, geometry: writeGeometry(defaultGeometry), meanDelayMs };
    const draft = { previous: '', signed: '', width: { least: 10, most: 100, perMix: 1_000 }, ...parameters };
    const { name: authority } = signer as { name: string };
    const commit = commitTo('ab'.repeat(32));
    return signVote({ ...head, ...draft, authority, descriptors: [], revoked: [], commit }, signer);
  };
  const clock = new FakeClock();
  const passed = createPassed();
  const agreement = createAgreement({
    slot,
    members,
    signer: own,
    random: seeded('own'),
    draft: () => undefined,
    keep: () => {},
    pass: (part, signed, to) => passed.add(part, signed, to.fromMs),
    usedTwice: () => {},
    counted: () => {},
  });
  const retryMs = roundMs / 10;
  const failed = vi.fn<(error: unknown) => void>();
  const signatures = { receive: refused };
  const agreementAt = () => agreement;
  const hearing = createHearing({ ...seat, clock, passed, signatures, retryMs, failed, agreementAt });

  clock.advance(roundMs);
  agreement.advance(clock.now());
  const theirs: Record<Part, string[]> = {
    vote: [vote(0), vote(1), vote(2), vote(3), vote(4), vote(4, 300)],
    reveal: [],
  };
  for (const signed of theirs.vote) expect(hearing.ballot('vote', signed)).toEqual({ kind: 'taken' });
  // those who lie have withheld it until the last but one of all rounds
  const value = 'ab'.repeat(32);
  const late = [fifth, second].reduce(
    countersign,
    signReveal({ ...head, authority: 'authority4.test', value }, fourth),
  );
  const digests = (part: Part): string[] => theirs[part].map((signed) => ballotDigest(signed) ?? '');
  seat.others['authority2.test'] = (path) =>
    path === '/v1/agreement/passed'
      ? JSON.stringify({ votes: digests('vote'), reveals: digests('reveal') })
      : [...theirs.vote, ...theirs.reveal].find((signed) => path.endsWith(ballotDigest(signed) ?? '-'));
  const closedMs = start + 9 * roundMs;
  const thirdMs = start + 7 * roundMs;
  for (clock.moveTo(start + 4.5 * roundMs); clock.now() < closedMs; clock.advance(retryMs)) {
    if (clock.now() >= thirdMs && clock.now() < thirdMs + roundMs) theirs.reveal = [late];
    for (let status = ''; status !== 'too-often'; ) {
      const receipt = hearing.ballot('reveal', 'x');
      status = receipt.kind === 'refused' ? receipt.reason : receipt.kind;
    }
    await turn();
  }
  const progress = agreement.advance(closedMs);
  expect(progress.kind === 'closed' && [...progress.outcome.reveals.keys()]).toEqual(['authority4.test']);
  expect(failed).not.toHaveBeenCalled();
  // what is here is not come for at all
  expect(seat.asked.filter((one) => one.includes('/passed/'))).toEqual([
    `authority2.test /v1/agreement/passed/${ballotDigest(late)}`,
  ]);
});
