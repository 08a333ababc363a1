import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSnapshots } from './snapshots.ts';
import { readWaiting } from './waiting.ts';

let folder: string;
let path: string;
let db: DatabaseSync;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waiting-'));
  await mkdir(join(folder, 'data'));
  path = join(folder, 'data', 'spool.sqlite');
  db = new DatabaseSync(path);
  db.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA wal_autocheckpoint = 0;
    CREATE TABLE slots (slot INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE TABLE relays (id BLOB, next TEXT, slot INTEGER);
    CREATE TABLE fragments (recipient TEXT, data BLOB);
  `);
});
afterEach(async () => {
  db.close();
  await rm(folder, { recursive: true });
});

test('what waits is read through the journal while its owner has the file for itself', async () => {
  const snapshots = createSnapshots();
  expect((await snapshots.take('mix', folder)).size).toBe(0);
  db.exec(`
    INSERT INTO slots VALUES (7, x'0011');
    INSERT INTO relays VALUES (x'01', 'domain:b.test', 7);
    INSERT INTO fragments VALUES ('bob@b.test', x'02');
  `);
  const waiting = await snapshots.take('mix', folder);
  expect([...waiting].map(([shelf, { rows }]) => [shelf, rows])).toEqual([
    ['relays', 1],
    ['fragments', 1],
  ]);
  const parts = snapshots.taken.map(({ part, bytes }) => [part, Buffer.from(bytes).toString('latin1')]);
  expect(parts).toContainEqual(['relays', '\x01\ndomain:b.test\n7\n\0\x11\n']);
  expect(parts).toContainEqual(['fragments', 'bob@b.test\n\x02\n']);
  db.exec('DELETE FROM relays; DELETE FROM fragments');
  expect((await snapshots.take('mix', folder)).size).toBe(0);
});

test('what is no database, cut, or of another kind shows nothing', async () => {
  db.exec("INSERT INTO slots VALUES (7, x'0011'); INSERT INTO relays VALUES (x'01', 'domain:b.test', 7)");
  const [spool, journal] = await Promise.all([readFile(path), readFile(`${path}-wal`)]);
  expect((await readWaiting(spool, journal)).size).toBe(1);
  expect((await readWaiting(spool, undefined)).size).toBe(0);
  expect((await readWaiting(spool, journal.subarray(0, 40))).size).toBe(0);
  expect((await readWaiting(Buffer.from('no database at all'), undefined)).size).toBe(0);
});
