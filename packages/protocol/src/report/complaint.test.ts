import { expect, test } from 'vitest';
import { complaint, isComplaint, openReturnField, returnFieldBytes, sealReturnField } from './index.ts';

const key = new Uint8Array(32).fill(7);
const field = { domain: 'a.test', token: new Uint8Array(16).fill(9), expires: 490_000 * 3_600 };

test('spec report 7.1: one length for all; only the key opens, and no bit may change', () => {
  const sealed = sealReturnField(key, field);
  const longest = { ...field, domain: `${'d'.repeat(63)}.${'e'.repeat(63)}.${'f'.repeat(63)}.test` };
  expect(sealReturnField(key, longest)).toHaveLength(sealed.length);
  expect(openReturnField(key, sealReturnField(key, longest))).toEqual(longest);
  expect(sealed).toHaveLength(returnFieldBytes);
  expect(openReturnField(key, sealed)).toEqual(field);
  expect(openReturnField(new Uint8Array(32), sealed)).toBeUndefined();
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    expect(openReturnField(key, changed)).toBeUndefined();
    expect(openReturnField(key, sealed.subarray(0, at))).toBeUndefined();
  }
  expect(sealReturnField(key, field)).not.toEqual(sealed);
});

test('fields that cannot be are not written', () => {
  for (const flaw of [
    { domain: 'A.test' },
    { token: new Uint8Array(15) },
    { expires: 1 },
    { expires: -3_600 },
  ])
    expect(() => sealReturnField(key, { ...field, ...flaw })).toThrow(
      expect.objectContaining({ code: 'wrong-encoding' }),
    );
  expect(() => sealReturnField(key.subarray(1), field)).toThrow(
    expect.objectContaining({ code: 'wrong-key' }),
  );
});

test('spec report 7.2: a complaint is nothing else', () => {
  expect(isComplaint(complaint)).toBe(true);
  for (const other of [[], [1], [2, 1], [1, 2], [1, 1, 0]])
    expect(isComplaint(Uint8Array.from(other))).toBe(false);
});
