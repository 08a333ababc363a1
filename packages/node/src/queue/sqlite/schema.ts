import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { NodeError } from '../../errors.ts';
import type { SpoolId } from '../../spool.ts';
import { asNodeError, startingAnew } from './faults.ts';
import { toBlob, toId } from './store.ts';

/** "Post" in ASCII: `file(1)` and a careless `sqlite3` can tell whose database this is. */
const applicationId = 0x506f7374;
const version = 5;

/** Bigger files are checked by SQLite page by page as they are read: a whole check would take minutes. */
const wholeCheckBytes = 256 * 1024 * 1024;

const complaints = `
  CREATE TABLE complaints (
    author TEXT NOT NULL, day INTEGER NOT NULL, expires INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (author, day)
  ) STRICT, WITHOUT ROWID;
`;

/** Free slots whose content is still there. */
const worn = 'CREATE TABLE worn (slot INTEGER PRIMARY KEY) STRICT;';

/** What makes a database of that version into one of the next. */
const upgrades: Readonly<Record<number, string>> = {
  3: `ALTER TABLE returns ADD COLUMN complained INTEGER NOT NULL DEFAULT 0; ${complaints}`,
  4: worn,
};

/**
 * Every key is random or a hash and no table has a hidden rowid, so no order of insertion shows; a slot's number is its place, drawn
 * at random. A relay's `due` lies on a grid of seconds, its `expires` on a grid of days; an input has no time at all.
 * `inputs.kind`: 0 packet, 1 exit, 2 deferred exit. `sets.state`: 0 open, 1 complete, 2 over. `returns` says whom a token stands for and what they were told (1 of a delay, 2 of a failure) and whether somebody has complained of it, `complaints` how many of an author's were complained of on a day, `carriages` which relays to domains are theirs.
 * `spool` has one row, the spool's own id.
 */
const schema = `
  CREATE TABLE spool (id BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE slots (slot INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  ${worn}
  CREATE TABLE inputs (
    kind INTEGER NOT NULL, id BLOB NOT NULL, slot INTEGER NOT NULL, attested TEXT,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE tags (
    epoch INTEGER NOT NULL, tag BLOB NOT NULL,
    PRIMARY KEY (epoch, tag)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE relays (
    id BLOB NOT NULL PRIMARY KEY, next TEXT NOT NULL, due INTEGER NOT NULL, expires INTEGER NOT NULL,
    attempts INTEGER NOT NULL, slot INTEGER NOT NULL, token BLOB
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX relays_by_due ON relays (due);
  CREATE INDEX relays_by_expires ON relays (expires);
  CREATE TABLE sets (
    id BLOB NOT NULL PRIMARY KEY, state INTEGER NOT NULL, needs INTEGER NOT NULL, has INTEGER NOT NULL,
    due INTEGER NOT NULL, expires INTEGER NOT NULL, attempts INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sets_by_due ON sets (state, due);
  CREATE INDEX sets_by_expires ON sets (expires);
  CREATE TABLE fragments (
    set_id BLOB NOT NULL, position INTEGER NOT NULL, recipient TEXT NOT NULL, k INTEGER NOT NULL, n INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL, expires INTEGER NOT NULL, return_info BLOB NOT NULL, attestation BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (set_id, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE returns (
    token BLOB NOT NULL PRIMARY KEY, author TEXT NOT NULL, expires INTEGER NOT NULL, told INTEGER NOT NULL,
    complained INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX returns_by_expires ON returns (expires);
  CREATE TABLE carriages (id BLOB NOT NULL PRIMARY KEY, token BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX carriages_by_token ON carriages (token);
  ${complaints}
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`;

/**
 * Opens the database at `path`, or makes one with the id `newId`, for this process alone. Throws `NodeError` `spool-in-use` or
 * `spool-damaged`.
 */
export function openDatabase(path: string, newId: SpoolId): DatabaseSync {
  closeSync(openSync(path, 'a', 0o600));
  const db = new DatabaseSync(path);
  try {
    // Exclusive before the first access: one process at a time, and the journal's index lies in memory alone.
    db.exec(`
      PRAGMA page_size = 8192;
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -16000;
    `);
    prepareSchema(db, path, newId);
    if (statSync(path).size <= wholeCheckBytes) check(db, path);
    return db;
  } catch (error) {
    db.close();
    throw asNodeError(error);
  }
}

function prepareSchema(db: DatabaseSync, path: string, newId: SpoolId): void {
  const owner = pragma(db, 'application_id');
  const found = pragma(db, 'user_version');
  if (owner === applicationId && found === version) return;
  if (owner === applicationId && found in upgrades) {
    const steps = Object.entries(upgrades).flatMap(([from, step]) => (Number(from) >= found ? [step] : []));
    db.exec(`BEGIN IMMEDIATE; ${steps.join(' ')} PRAGMA user_version = ${version}; COMMIT`);
    return;
  }
  if (owner !== 0 || found !== 0 || pragma(db, 'schema_version') !== 0) {
    throw new NodeError('spool-damaged', `${path} is no spool of this version`, {
      hint: `Run the version that wrote it. ${startingAnew}`,
    });
  }
  db.exec(`BEGIN IMMEDIATE; ${schema}`);
  db.prepare('INSERT INTO spool (id) VALUES (?)').run(toBlob(newId));
  db.exec('COMMIT');
}

function check(db: DatabaseSync, path: string): void {
  const findings = db.prepare('PRAGMA quick_check(3)').all();
  const first = Object.values(findings[0] ?? {})[0];
  if (first !== 'ok') {
    throw new NodeError('spool-damaged', `${path} is damaged`, {
      hint: `Check the disk. ${startingAnew}`,
    });
  }
}

/** The id that the database was made with. */
export function spoolId(db: DatabaseSync): SpoolId {
  return toId(db.prepare('SELECT id FROM spool').get()?.id);
}

/** The value of a pragma that is one number. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}
