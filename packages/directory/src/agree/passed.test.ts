import { countersign, signReveal } from '@postern/protocol/consensus';
import { authority1, authority2 } from '@postern/protocol/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { FakeClock } from '../testing/clock.ts';
import { openSeat } from '../testing/seat.ts';
import { createHearing } from './hearing.ts';
import { createPassed } from './passed.ts';

afterEach(() => vi.restoreAllMocks());

/** What is hashed is made into bytes first. */
const watchBytes = () => vi.spyOn(TextEncoder.prototype, 'encode');

const reveal = (value: string): string =>
  signReveal(
    { version: 1, epoch: 7, slot: 3, authority: authority1.name, value: value.repeat(32) },
    authority1,
  );

test('what is passed on is known by its text, whoever has signed it, and nothing is hashed for that', () => {
  const passed = createPassed();
  const [one, other] = [reveal('ab'), reveal('cd')];
  passed.add('reveal', one, 0);
  const text = one.slice(0, one.indexOf('\n\n') + 1);
  const told = [one, countersign(one, authority2), other, text, `${text}x`, text.slice(0, -1), ''];
  const bytes = watchBytes();
  expect(told.map(passed.has)).toEqual([true, true, false, false, false, false, false]);
  passed.clear();
  expect(passed.has(one)).toBe(false);
  expect(bytes).not.toHaveBeenCalled();
});

test('once nothing more is looked at that is posted, nothing of it is hashed, be there a slot or not', async () => {
  await using seat = await openSeat();
  const passed = createPassed();
  const hearing = createHearing({
    ...seat,
    clock: new FakeClock(),
    passed,
    signatures: { receive: () => ({ kind: 'known' }) },
    retryMs: 1_000,
    failed: () => {},
    agreementAt: () => undefined,
  });
  passed.add('reveal', reveal('ab'), 0);
  const other = reveal('cd');
  const post = (): string => {
    const receipt = hearing.ballot('reveal', other);
    return receipt.kind === 'refused' ? receipt.reason : receipt.kind;
  };
  for (let reason = ''; reason !== 'too-often'; reason = post());
  const bytes = watchBytes();
  for (let at = 0; at < 10; at++) expect(post()).toBe('too-often');
  expect(bytes).not.toHaveBeenCalled();
});
