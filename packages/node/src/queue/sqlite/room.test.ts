import { expect, test } from 'vitest';
import { assertRoom, type Room } from './room.ts';

const limits = { maxBytes: 1_000_000_000, reserveBytes: 64_000_000 };
const room = (of: Partial<Room>): Room => ({
  stored: 0,
  growth: 0,
  free: 0,
  journal: 0,
  disk: 1_000_000_000,
  ...of,
});
const full = expect.objectContaining({ code: 'spool-full' });

test('there is room while no bound is reached', () => {
  expect(() => assertRoom(room({ stored: 1_000_000_000 }), limits)).not.toThrow();
  expect(() => assertRoom(room({ disk: 64_000_000 }), limits)).not.toThrow();
});

test('what is stored, and what would be left of the disk, are bounded', () => {
  expect(() => assertRoom(room({ stored: 1_000_000_001 }), limits)).toThrow(full);
  expect(() => assertRoom(room({ disk: 63_999_999 }), limits)).toThrow(full);
  expect(() => assertRoom(room({ disk: 90_000_000, growth: 33_000_000 }), limits)).toThrow(full);
});

test('what is free inside the database counts, as long as the journal has its room on the disk', () => {
  expect(() => assertRoom(room({ disk: 45_000_000, free: 30_000_000 }), limits)).not.toThrow();
  expect(() =>
    assertRoom(room({ disk: 20_000_000, journal: 25_000_000, free: 30_000_000 }), limits),
  ).not.toThrow();
  expect(() => assertRoom(room({ disk: 30_000_000, free: 900_000_000 }), limits)).toThrow(full);
});

test('a small reserve is enough for a small disk', () => {
  expect(() => assertRoom(room({ disk: 5_000_000 }), { ...limits, reserveBytes: 4_000_000 })).not.toThrow();
});
