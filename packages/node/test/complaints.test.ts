import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import type { Settled, Spool } from '../src/spool.ts';
import { fragment, relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded } from './support.ts';

/** What an author's gateway keeps of complaints. */
const start = Date.UTC(2033, 0, 2, 22, 0, 0);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const lifeMs = 37 * dayMs;
const random = seeded('complaints');

let folder = '';
let clock: FakeClock;
let spool: Spool;
const path = (): string => join(folder, 'spool.sqlite');
const open = async (): Promise<Spool> => openSqliteSpool({ unitBytes: 32_768, path: path(), clock, random });

beforeEach(async () => {
  folder = await storesFolder('complaints');
  clock = fakeClock(start);
  spool = await open();
});
afterEach(async () => {
  await spool.close();
  await rm(folder, { recursive: true });
});

async function submit(author: string): Promise<string> {
  const token = Buffer.from(random.bytes(16)).toString('hex');
  const { relay } = relayVerdict({ next: { kind: 'domain', domain: 'b.test', own: true } });
  await spool.submit({ relay, token, author, tokenExpiresMs: clock.now() + lifeMs });
  return token;
}

async function complain(token: string): Promise<Settled['kind']> {
  await spool.accept(unit('exit'));
  const [input] = await spool.claimInputs('exit', 1);
  const verdict = { kind: 'complaint', token, forgetMs: clock.now() + lifeMs } as const;
  return (await spool.settle(input?.id ?? '', verdict)).kind;
}

test('each token counts once, for its author and the day, after a restart too', async () => {
  const tokens = [await submit('alice@a.test'), await submit('alice@a.test'), await submit('carol@a.test')];
  const [first = '', second = '', third = ''] = tokens;
  expect(await complain(first)).toBe('complaint');
  expect(await complain(first)).toBe('known-complaint');
  await spool.close();
  spool = await open();
  expect(await complain(first)).toBe('known-complaint');
  expect(await complain(third)).toBe('complaint');
  await clock.advance(3 * hourMs);
  expect(await complain(second)).toBe('complaint');
  expect(await complain('00'.repeat(16))).toBe('unknown-token');
  const day = Date.UTC(2033, 0, 2);
  expect(await spool.returns.complaints()).toEqual([
    { author: 'alice@a.test', dayMs: day, count: 1 },
    { author: 'alice@a.test', dayMs: day + dayMs, count: 1 },
    { author: 'carol@a.test', dayMs: day, count: 1 },
  ]);
});

test('a failure that was told keeps no complaint away, and a complaint no failure', async () => {
  const [failed, blamed] = [await submit('alice@a.test'), await submit('alice@a.test')];
  const letter = (token: string) => ({ token, final: true, mail: fragment({ recipient: 'alice@a.test' }) });
  expect(await spool.returns.tell(letter(failed))).toBe('told');
  expect(await complain(failed)).toBe('complaint');
  expect(await complain(blamed)).toBe('complaint');
  expect(await spool.returns.tell(letter(blamed))).toBe('told');
});

test('an expired token counts for nobody, and counts are forgotten in their time', async () => {
  const [early, late] = [await submit('alice@a.test'), await submit('alice@a.test')];
  await complain(early);
  await clock.advance(lifeMs + hourMs);
  expect(await complain(late)).toBe('unknown-token');
  expect(await spool.returns.complaints()).toHaveLength(1);
  await clock.advance(dayMs);
  await spool.sweep();
  expect(await spool.returns.complaints()).toEqual([]);
});

test('a spool of the version before is taken over, with whom its tokens stand for', async () => {
  const token = await submit('alice@a.test');
  await spool.close();
  const db = new DatabaseSync(path());
  db.exec(
    'DROP TABLE worn; DROP TABLE complaints; ALTER TABLE returns DROP COLUMN complained; PRAGMA user_version = 3',
  );
  db.close();
  spool = await open();
  expect(await complain(token)).toBe('complaint');
  expect(await spool.returns.complaints()).toMatchObject([{ author: 'alice@a.test', count: 1 }]);
});
