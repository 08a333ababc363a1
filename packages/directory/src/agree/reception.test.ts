import { expect, test, vi } from 'vitest';
import type { Receipt } from '../ballots.ts';
import { FakeClock } from '../testing/clock.ts';
import { openSeat } from '../testing/seat.ts';
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
