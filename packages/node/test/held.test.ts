import { silentLog, systemClock } from '@postern/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mix } from '../src/mix/mix.ts';
import type { Spool, Waiting } from '../src/spool.ts';
import { seeded } from './support.ts';

const dayMs = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
});
afterEach(() => vi.useRealTimers());

test('what was held when the clock was set back leaves once its time has come, though nothing else arrives', async () => {
  const left: Waiting[] = [];
  const relays: Pick<Spool['relays'], 'claim' | 'release' | 'nextDue' | 'wake'> = {
    claim: async () => [],
    release: async () => undefined,
    nextDue: async () => undefined,
    wake: (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  };
  const link = mix({
    clock: systemClock,
    random: seeded('held'),
    log: silentLog,
    spool: { relays } as Spool,
    lifetime: { stopping: new AbortController().signal },
  });
  const stage = link({
    take: async ({ due }) => void left.push(due),
    close: async () => undefined,
  });
  const relay: Waiting = {
    id: '1',
    next: { kind: 'node', id: '01'.repeat(32) },
    dueMs: Date.now() + 5_000,
    expiresMs: Date.now() + 5 * dayMs,
    attempts: 0,
  };
  await stage.take([relay]);
  await vi.advanceTimersByTimeAsync(1_000);
  vi.setSystemTime(Date.now() - dayMs);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(left).toEqual([]);
  vi.setSystemTime(Date.now() + dayMs);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(left).toEqual([relay]);
  await stage.close();
});
