import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { journalBytes } from '../src/queue/sqlite/journal.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { dueGridMs, relayExpiresGridMs, type Spool } from '../src/spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { fakeClock, seeded, until } from './support.ts';

// An odd moment: its digits would stand out among coarse times.
const start = Date.UTC(2031, 4, 17, 11, 23, 41, 357);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-rest-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function everythingAtRest(): Promise<Buffer> {
  const names = await readdir(folder);
  return Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
}

/** Whether a piece of `needle` occurs in `hay`: 16 bytes out of every 512, so that no remnant of a page is missed. */
function sharesBytes(hay: Buffer, needle: Uint8Array): boolean {
  for (let at = 0; at + 16 <= needle.length; at += 512) {
    if (hay.includes(Buffer.from(needle.subarray(at, at + 16)))) return true;
  }
  return false;
}

/** The spool in `folder`. */
function openSpool(clock = fakeClock(start), path = join(folder, 'spool.sqlite')): Promise<Spool> {
  return openSqliteSpool({ unitBytes: 32_768, path, clock, random: seeded('rest') });
}

async function relayed(count: number): Promise<{ inputs: Uint8Array[]; outputs: Uint8Array[] }> {
  const clock = fakeClock(start);
  const spool = await openSpool(clock);
  const inputs: Uint8Array[] = [];
  const outputs: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const one = unit();
    const verdict = relayVerdict({
      dueMs: clock.now() + 1_000 + i * 37,
      expiresMs: clock.now() + 400_000_000,
    });
    await spool.accept(one);
    const [input] = await spool.claimInputs('packet', 1);
    await spool.settle(input?.id ?? '', verdict);
    inputs.push(one.bytes);
    outputs.push(verdict.relay.bytes);
    await clock.advance(11);
  }
  await spool.sweep();
  const hay = await everythingAtRest();
  expect(inputs.filter((bytes) => sharesBytes(hay, bytes))).toEqual([]);
  expect(outputs.filter((bytes) => !sharesBytes(hay, bytes))).toEqual([]);
  await spool.close();
  return { inputs, outputs };
}

test('once settled, not a byte of the input is left in any file, and the relay is there', async () => {
  await relayed(12);
});

test('a spool that is left alone cuts its journal by itself', async () => {
  const spool = await openSpool();
  const { bytes } = unit();
  await spool.accept({ kind: 'packet', bytes });
  const [input] = await spool.claimInputs('packet', 1);
  expect(sharesBytes(await everythingAtRest(), bytes)).toBe(true);
  await spool.settle(input?.id ?? '', { kind: 'refused' });
  await until(async () => !sharesBytes(await everythingAtRest(), bytes));
  await spool.close();
});

test('under load the journal is begun anew over what is there', async () => {
  const path = join(folder, 'spool.sqlite');
  await using spool = await openSpool(fakeClock(start), path);
  const units = Array.from({ length: 384 }, () => unit());
  // At once: while there is work the journal is not cut.
  await Promise.all(units.map((one) => spool.accept(one)));
  const journal = await readFile(`${path}-wal`);
  const sample = units.filter((_, at) => at % 16 === 0);
  const found = sample.filter(({ bytes }) => journal.includes(Buffer.from(bytes.subarray(20_000, 20_016))));
  expect(found.length).toBeLessThan(sample.length / 2);
});

test('which slot a packet lies in follows from nothing that is stored beside it', async () => {
  const places = async (name: string): Promise<Record<string, number>> => {
    const path = join(folder, name);
    // The same ids in both.
    const spool = await openSpool(fakeClock(start), path);
    for (let count = 0; count < 24; count++) await spool.accept(unit());
    await spool.close();
    using db = new DatabaseSync(path);
    const rows = db.prepare('SELECT id, slot FROM inputs').all();
    return Object.fromEntries(
      rows.map(({ id, slot }) => [Buffer.from(id as Uint8Array).toString('hex'), Number(slot)]),
    );
  };
  const [one, other] = [await places('one.sqlite'), await places('other.sqlite')];
  expect(Object.keys(one).sort()).toEqual(Object.keys(other).sort());
  const same = Object.entries(one).filter(([id, slot]) => other[id] === slot);
  // Of 128 slots, drawn apart.
  expect(same.length).toBeLessThan(8);
});

test('what was removed is overwritten piece by piece, and the journal does not grow with it', async () => {
  const path = join(folder, 'spool.sqlite');
  const spool = await openSpool(fakeClock(start), path);
  const units = Array.from({ length: 900 }, () => unit());
  await Promise.all(units.map((one) => spool.accept(one)));
  const inputs = await spool.claimInputs('packet', units.length);
  await Promise.all(inputs.map(({ id }) => spool.settle(id, { kind: 'refused' })));
  const before = journalBytes(path);
  let longest = 0;
  const look = setInterval(() => {
    longest = Math.max(longest, journalBytes(path));
  }, 1);
  await spool.close();
  clearInterval(look);
  expect(longest).toBeGreaterThan(0);
  expect(longest).toBeLessThanOrEqual(Math.max(before, (units.length * 32_768) / 2));
  const left = await everythingAtRest();
  const sample = units.filter((_, at) => at % 16 === 0);
  expect(sample.filter(({ bytes }) => left.includes(Buffer.from(bytes.subarray(20_000, 20_016))))).toEqual(
    [],
  );
});

test('beside a relay lies no time finer than the grids, no order of arrival and nothing that its input had', async () => {
  const { outputs } = await relayed(24);
  using db = new DatabaseSync(join(folder, 'spool.sqlite'));

  const columns = (table: string) =>
    db
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map(({ name }) => name);
  expect(columns('relays')).toEqual(['id', 'next', 'due', 'expires', 'attempts', 'slot', 'token']);
  expect(columns('inputs')).toEqual(['kind', 'id', 'slot', 'attested']);
  expect(columns('tags')).toEqual(['epoch', 'tag']);

  const tables = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").all();
  expect(tables.map(({ name }) => name).sort()).toEqual([
    'carriages',
    'complaints',
    'fragments',
    'inputs',
    'relays',
    'returns',
    'sets',
    'slots',
    'spool',
    'tags',
    'worn',
  ]);
  // A stranger's packet is nobody's, and nobody has signed for it.
  for (const owner of [
    'SELECT token FROM relays',
    'SELECT token FROM returns',
    'SELECT attested FROM inputs',
  ])
    expect(db.prepare(owner).all().flatMap(Object.values).filter(Boolean)).toEqual([]);
  // A slot has a number, drawn at random, by which it is also known while it is to be overwritten; nothing else has one.
  const numbered = tables.filter(({ sql }) => !String(sql).includes('WITHOUT ROWID'));
  expect(numbered.map(({ name }) => name)).toEqual(['slots', 'worn']);

  const relays = db
    .prepare('SELECT id, due, expires, attempts, bytes FROM relays JOIN slots USING (slot) ORDER BY id')
    .all();
  expect(relays).toHaveLength(24);
  for (const { due, expires, attempts } of relays) {
    expect([Number(due) % dueGridMs, Number(expires) % relayExpiresGridMs, attempts]).toEqual([0, 0, 0]);
  }
  const file = await readFile(join(folder, 'spool.sqlite'));
  const inOrderOfPlaces = outputs
    .map((output, place) => ({ place, at: file.indexOf(Buffer.from(output.subarray(20_000, 20_016))) }))
    .sort((a, b) => a.at - b.at)
    .map(({ place }) => place);
  const inOrderOfIds = relays.map(({ bytes }) =>
    outputs.findIndex((output) => Buffer.compare(output, bytes as Uint8Array) === 0),
  );
  for (const order of [inOrderOfIds, inOrderOfPlaces]) {
    expect([...order].sort((a, b) => a - b)).toEqual(outputs.map((_, place) => place));
    expect(ascents(order)).toBeGreaterThan(4);
    expect(ascents(order)).toBeLessThan(19);
  }

  const ids = relays.map(({ id }) => Buffer.from(id as Uint8Array));
  const tags = db.prepare('SELECT tag FROM tags').all();
  expect(tags).toHaveLength(24);
  for (const { tag } of tags) {
    expect(ids.some((id) => id.equals((tag as Uint8Array).subarray(0, id.length)))).toBe(false);
  }
});

/** Neighbours in rising order: nearly all or nearly none when the order follows arrival, about half when it is random. */
function ascents(places: readonly number[]): number {
  return places.filter((place, at) => at > 0 && place > (places[at - 1] ?? 0)).length;
}
