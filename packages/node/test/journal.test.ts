import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cutJournal, journalBytes, overwriteJournal } from '../src/queue/sqlite/journal.ts';
import { openDatabase } from '../src/queue/sqlite/schema.ts';
import { seeded } from './support.ts';

const random = seeded('journal');
const unitBytes = 32_768;
const slots = 24;
let folder = '';
let path = '';
let db: DatabaseSync;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-journal-'));
  path = join(folder, 'spool.sqlite');
  db = openDatabase(path, 'ab'.repeat(16));
});
afterEach(() => {
  if (db.isOpen) db.close();
  rmSync(folder, { recursive: true });
});

/** Writes every slot twice: the journal has old pages below new ones. Gives what is to be there. */
function fill(): Uint8Array[] {
  const write = db.prepare('INSERT OR REPLACE INTO slots (slot, bytes) VALUES (?, ?)');
  const writeAll = (): Uint8Array[] => {
    const written = Array.from({ length: slots }, () => random.bytes(unitBytes));
    db.exec('BEGIN IMMEDIATE; DELETE FROM slots');
    written.forEach((bytes, slot) => void write.run(slot, bytes));
    db.exec('COMMIT');
    return written;
  };
  writeAll();
  return writeAll();
}

const contentOf = (of: DatabaseSync): unknown[] =>
  of
    .prepare('SELECT bytes FROM slots ORDER BY slot')
    .all()
    .map(({ bytes }) => bytes);

test('before it is cut, nothing is left in the journal of what stood there', () => {
  const written = fill();
  let [before, after] = [Buffer.alloc(0), Buffer.alloc(0)];
  cutJournal(db, path, (at) => {
    before = readFileSync(`${at}-wal`);
    overwriteJournal(at);
    after = readFileSync(`${at}-wal`);
  });
  expect(after.length).toBe(before.length);
  const pieces = written.map((bytes) => Buffer.from(bytes.subarray(20_000, 20_016)));
  expect(pieces.filter((piece) => !before.includes(piece))).toEqual([]);
  expect(pieces.filter((piece) => after.includes(piece))).toEqual([]);
  const sampled = Array.from({ length: Math.floor((before.length - 16) / 512) }, (_, n) =>
    before.subarray(n * 512, n * 512 + 16),
  ).filter((piece) => piece.some((byte) => byte !== 0));
  expect(sampled.length).toBeGreaterThan(0);
  expect(sampled.filter((piece) => after.includes(piece))).toEqual([]);
  expect(journalBytes(path)).toBe(0);
  expect(contentOf(db)).toEqual(written);
});

test('cut off at any byte of the overwriting, the database has every row and is whole', () => {
  for (const part of [0, 32, 33, 4_000, 0.1, 0.5, 0.9, 1]) {
    const written = fill();
    const copy = join(folder, 'copy.sqlite');
    cutJournal(db, path, (at) => {
      const before = readFileSync(`${at}-wal`);
      overwriteJournal(at);
      const after = readFileSync(`${at}-wal`);
      const cut = part <= 1 ? Math.floor(before.length * part) : part;
      copyFileSync(at, copy);
      writeFileSync(`${copy}-wal`, Buffer.concat([after.subarray(0, cut), before.subarray(cut)]));
    });
    using again = openDatabase(copy, 'cd'.repeat(16));
    expect(again.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(contentOf(again)).toEqual(written);
    again.exec('DELETE FROM slots WHERE slot = 0');
    cutJournal(again, copy);
    expect(contentOf(again)).toEqual(written.slice(1));
  }
});

test('when overwriting fails the rows are there, and it is overwritten the next time', () => {
  const written = fill();
  expect(() =>
    cutJournal(db, path, () => {
      throw new Error('the disk fails');
    }),
  ).toThrow('the disk fails');
  expect(contentOf(db)).toEqual(written);
  const stale = Buffer.from(written.at(-1)?.subarray(20_000, 20_016) ?? []);
  expect(readFileSync(`${path}-wal`).includes(stale)).toBe(true);
  db.exec('DELETE FROM slots WHERE slot = 0');
  let seen = stale;
  cutJournal(db, path, (at) => {
    overwriteJournal(at);
    seen = readFileSync(`${at}-wal`);
  });
  expect(seen.includes(stale)).toBe(false);
  expect(contentOf(db)).toEqual(written.slice(1));
});

test('in the middle of a transaction it is left alone', () => {
  const written = fill();
  const size = journalBytes(path);
  db.exec('BEGIN IMMEDIATE; DELETE FROM slots WHERE slot = 0');
  expect(() => cutJournal(db, path)).toThrow(/locked|transaction/);
  db.exec('ROLLBACK');
  expect(journalBytes(path)).toBe(size);
  expect(contentOf(db)).toEqual(written);
});
