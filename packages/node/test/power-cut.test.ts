import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClaims } from '../src/queue/sqlite/claims.ts';
import { createCommitter, type Reply } from '../src/queue/sqlite/commit.ts';
import { createJournal, type Journal, type JournalDisk, syncWithin } from '../src/queue/sqlite/durable.ts';
import { cutJournal, journalBytes, moveJournal, syncJournal } from '../src/queue/sqlite/journal.ts';
import { type Operations, operations } from '../src/queue/sqlite/operations.ts';
import { openDatabase, pragma } from '../src/queue/sqlite/schema.ts';
import { slotTable } from '../src/queue/sqlite/slots.ts';
import type { Store } from '../src/queue/sqlite/store.ts';
import type { Input, Settled } from '../src/spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { seeded } from './support.ts';

const random = seeded('power cut');
const newId = (): string => Buffer.from(random.bytes(16)).toString('hex');
type Call = [name: keyof Operations, ...given: unknown[]];

/** The spool as its thread has it, on a disk that is watched. */
class Machine implements Disposable {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly journal: Journal;
  readonly ask: (...calls: Call[]) => Reply[];
  /** Length of the journal when it was synced last. */
  synced = 0;

  constructor(path: string, disk: Partial<JournalDisk> = {}) {
    this.path = path;
    this.db = openDatabase(path, newId());
    const effects: (() => void)[] = [];
    const undoings: (() => void)[] = [];
    const store: Store = {
      db: this.db,
      claims: createClaims(60_000),
      now: 0,
      afterCommit: (effect) => void effects.push(effect),
      afterRollback: (effect) => void undoings.push(effect),
    };
    const sync = (at: string): void => {
      syncJournal(at);
      this.synced = journalBytes(at);
    };
    this.journal = createJournal(this.db, path, { sync, move: moveJournal, cut: cutJournal, ...disk });
    const run = operations(store, slotTable(store, 32_768), {
      unfinishedBytes: 1_000_000,
      journal: this.journal,
    });
    const hooks = { assertRoom: () => undefined, effects, undoings, journal: this.journal };
    const committer = createCommitter(this.db, store, run, hooks);
    this.ask = (...calls) => {
      const replies = committer.answer(
        calls.map(([name, ...given], number) => ({ number, now: 1, name, arguments: given })),
      );
      const writing = calls.some(([name]) => ['accept', 'settle', 'finishRelay'].includes(name));
      if (writing && pragma(this.db, 'synchronous') === 2) this.synced = journalBytes(path);
      return replies;
    };
    this.synced = journalBytes(path);
  }

  /** The answer to one call. */
  one<T>(...call: Call): T {
    const [reply] = this.ask(call);
    if (reply === undefined || 'error' in reply) throw new Error(reply?.error.code);
    return reply.result as T;
  }

  accepted(): Input {
    this.one('accept', newId(), unit());
    const [input] = this.one<Input[]>('claimInputs', 'packet', 1, newId());
    if (input === undefined) throw new Error('nothing to claim');
    return input;
  }

  /** The same machine after the power went: of the journal `length` bytes reached the disk. */
  afterPowerCut(length: number): Machine {
    const copy = `${this.path}.copy`;
    copyFileSync(this.path, copy);
    writeFileSync(`${copy}-wal`, readFileSync(`${this.path}-wal`).subarray(0, length));
    return new Machine(copy);
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-power-'));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});
const path = (): string => join(folder, 'spool.sqlite');

describe('the power goes off', () => {
  test('behind an unsynced verdict: the input is there again, and its tag is taken once', () => {
    using machine = new Machine(path());
    const { id } = machine.accepted();
    const verdict = relayVerdict();
    expect(machine.one<Settled>('settle', id, verdict, newId()).kind).toBe('waiting');
    expect(machine.synced).toBeLessThan(journalBytes(machine.path));
    using again = machine.afterPowerCut(machine.synced);
    expect(again.db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(again.one('counts')).toMatchObject({ inputs: 1, relays: 0 });
    expect(again.one<Input[]>('claimInputs', 'packet', 2, newId())).toMatchObject([{ id }]);
    expect(again.one<Settled>('settle', id, verdict, newId()).kind).toBe('waiting');
    expect(again.one<Settled>('settle', again.accepted().id, verdict, newId()).kind).toBe('replayed');
  });

  test('behind an unsynced end of a relay: the relay is there again', () => {
    using machine = new Machine(path());
    const relayId = newId();
    machine.one('settle', machine.accepted().id, relayVerdict(), relayId);
    machine.one('sync');
    machine.one('finishRelay', relayId);
    using again = machine.afterPowerCut(machine.synced);
    expect(again.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
  });

  test('behind a process that had ended before: what that one left unsynced is synced first', () => {
    using machine = new Machine(path());
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    using next = machine.afterPowerCut(journalBytes(machine.path));
    expect(next.journal.unsynced).toBe(true);
    next.synced = 0;
    next.one('sync');
    expect(next.synced).toBe(journalBytes(next.path));
    expect(next.journal.unsynced).toBe(false);
  });

  test('behind `sync`, or the next commit that lasts: nothing comes back', () => {
    using machine = new Machine(path());
    const verdict = relayVerdict();
    machine.one('settle', machine.accepted().id, verdict, newId());
    machine.one('sync');
    {
      using again = machine.afterPowerCut(machine.synced);
      expect(again.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
      expect(again.one<Settled>('settle', again.accepted().id, verdict, newId()).kind).toBe('replayed');
    }
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    machine.one('accept', newId(), unit());
    using again = machine.afterPowerCut(machine.synced);
    expect(again.one('counts')).toMatchObject({ inputs: 1, relays: 2 });
  });

  test('behind a move of the journal: nothing comes back, with what of the next one has reached the disk', () => {
    using machine = new Machine(path());
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    expect(machine.journal.unsynced).toBe(true);
    const before = journalBytes(machine.path);
    machine.journal.move();
    expect(machine.journal.unsynced).toBe(false);
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    expect(journalBytes(machine.path)).toBe(before);
    for (const length of [0, 32, 10_000, before]) {
      using again = machine.afterPowerCut(length);
      expect(again.db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      const { relays } = again.one<{ relays: number }>('counts');
      expect(relays).toBe(length === before ? 2 : 1);
    }
  });
});

describe('a sync fails', () => {
  const syncFails = (): Error => Object.assign(new Error('disk I/O error'), { errcode: 1034 }); // SQLITE_IOERR_FSYNC

  /** The next commit fails as at its sync; gives what happens from there on. */
  function failCommit(machine: Machine, events: string[]): void {
    const exec = machine.db.exec.bind(machine.db);
    let fails = true;
    vi.spyOn(machine.db, 'exec').mockImplementation((sql) => {
      if (sql !== 'COMMIT') return exec(sql);
      events.push(fails ? 'commit fails' : 'commit');
      if (!fails) return exec(sql);
      fails = false;
      throw syncFails();
    });
  }

  test('behind unsynced work: all of that is in the database before the next commit', () => {
    const events: string[] = [];
    const cut: JournalDisk['cut'] = (...given) => {
      events.push('cut');
      cutJournal(...given);
    };
    using machine = new Machine(path(), { cut });
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    failCommit(machine, events);
    const replies = machine.ask(['accept', newId(), unit()], ['accept', newId(), unit()]);
    expect(replies.filter((reply) => 'error' in reply)).toEqual([]);
    expect(events).toEqual(['commit fails', 'cut', 'commit', 'commit']);
    using again = machine.afterPowerCut(0);
    expect(again.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
  });

  test('and the database takes nothing either: all is refused until it does', () => {
    let broken = true;
    const cut: JournalDisk['cut'] = (...given) => {
      if (broken) throw syncFails();
      cutJournal(...given);
    };
    using machine = new Machine(path(), { cut });
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    failCommit(machine, []);
    const refused = { error: { code: 'spool-io' } };
    const accept = (): Call => ['accept', newId(), unit()];
    expect(machine.ask(accept(), accept())).toMatchObject([refused, refused]);
    expect(machine.ask(accept())).toMatchObject([refused]);
    expect(machine.ask(['sync'])).toMatchObject([refused]);
    expect(machine.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
    broken = false;
    machine.one(...accept());
    expect(machine.one('counts')).toMatchObject({ inputs: 1, relays: 1 });
  });

  test('one of the journal alone leads to the same', () => {
    const cut = vi.fn<JournalDisk['cut']>(cutJournal);
    const sync = (): void => {
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    using machine = new Machine(path(), { cut, sync });
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    machine.one('sync');
    expect(cut).toHaveBeenCalledTimes(1);
    expect(machine.journal.unsynced).toBe(false);
    using again = machine.afterPowerCut(0);
    expect(again.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
  });

  test('one of a move leads to the same', () => {
    const cut = vi.fn<JournalDisk['cut']>(cutJournal);
    const move = (): void => {
      throw syncFails();
    };
    using machine = new Machine(path(), { cut, move });
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    expect(() => machine.journal.move()).toThrow('disk I/O error');
    expect(cut).not.toHaveBeenCalled();
    machine.one('accept', newId(), unit());
    expect(cut).toHaveBeenCalledTimes(1);
    using again = machine.afterPowerCut(0);
    expect(again.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
  });

  test('without unsynced work before it: the group is tried again as it is', () => {
    const events: string[] = [];
    using machine = new Machine(path(), { cut: () => void events.push('cut') });
    machine.one('sync');
    failCommit(machine, events);
    machine.ask(['accept', newId(), unit()], ['accept', newId(), unit()]);
    expect(events).toEqual(['commit fails', 'commit', 'commit']);
  });
});

describe('unsynced work is synced in time', () => {
  test('however much is asked meanwhile', () => {
    using machine = new Machine(path());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const check = syncWithin(machine.journal, 1_000);
    machine.one('settle', machine.accepted().id, relayVerdict(), newId());
    for (let ms = 0; ms < 1_000; ms += 100) {
      check();
      expect(machine.journal.unsynced).toBe(true);
      machine.one('counts');
      vi.advanceTimersByTime(100);
    }
    expect(machine.journal.unsynced).toBe(false);
    using again = machine.afterPowerCut(machine.synced);
    expect(again.one('counts')).toMatchObject({ inputs: 0, relays: 1 });
  });

  test('even when no timer gets its turn', () => {
    const journal = { unsynced: true, sync: vi.fn<() => void>() };
    journal.sync.mockImplementation(() => {
      journal.unsynced = false;
    });
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    const check = syncWithin(journal, 1_000);
    check();
    now.mockReturnValue(999);
    check();
    expect(journal.sync).not.toHaveBeenCalled();
    now.mockReturnValue(1_000);
    check();
    expect(journal.sync).toHaveBeenCalledTimes(1);
  });

  test('after a failure again', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const sync = vi.fn<() => void>(() => {
      throw new Error('the disk fails');
    });
    syncWithin({ unsynced: true, sync }, 1_000)();
    vi.advanceTimersByTime(3_000);
    expect(sync).toHaveBeenCalledTimes(3);
  });
});
