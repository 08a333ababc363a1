import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createClaims } from './claims.ts';
import { openDatabase } from './schema.ts';
import { type SlotTable, slotTable } from './slots.ts';

const unitBytes = 1_000;
let folder = '';
let db: DatabaseSync;
let slots: SlotTable;
let effects: (() => void)[];
let undoings: (() => void)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-slots-'));
  db = openDatabase(join(folder, 'spool.sqlite'), 'ab'.repeat(16));
  effects = [];
  undoings = [];
  slots = open();
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

function open(): SlotTable {
  return slotTable(
    {
      db,
      claims: createClaims(1),
      now: 0,
      afterCommit: (effect) => void effects.push(effect),
      afterRollback: (effect) => void undoings.push(effect),
    },
    unitBytes,
  );
}

function transaction(work: () => void, end: 'COMMIT' | 'ROLLBACK' = 'COMMIT'): void {
  db.exec('BEGIN IMMEDIATE');
  work();
  db.exec(end);
  const done = effects.splice(0);
  for (const one of end === 'COMMIT' ? done : undoings) one();
}

const put = (count: number): number[] =>
  Array.from({ length: count }, () => slots.put(new Uint8Array(unitBytes)));

test('what was taken, given back and made in a transaction that is undone is as it was', () => {
  let [first = -1]: number[] = [];
  transaction(() => {
    [first = -1] = put(1);
    put(59);
  });
  const before = slots.freeBytes();
  transaction(() => {
    slots.release(first);
    // More than there are: others are made.
    put(150);
  }, 'ROLLBACK');
  expect(slots.freeBytes()).toBe(before);
  const again: number[] = [];
  transaction(() => void again.push(...put(400)));
  expect(new Set(again).size).toBe(400);
  expect(again).not.toContain(first);
  // Each is there.
  expect(again.filter((slot) => slots.read(slot)?.length !== unitBytes)).toEqual([]);
});

test('what was given back is free once that is committed', () => {
  const taken: number[] = [];
  transaction(() => void taken.push(...put(10)));
  const before = slots.freeBytes();
  transaction(() => {
    for (const slot of taken) slots.release(slot);
    expect(slots.freeBytes()).toBe(before);
  });
  expect(slots.freeBytes()).toBe(before + 10 * unitBytes);
});
