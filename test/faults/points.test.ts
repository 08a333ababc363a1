import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { haveRedis } from '../redis.ts';
import { type Store, startChain } from './chain.ts';
import { watchEvidence } from './evidence.ts';
import { judge } from './judge.ts';
import { machine } from './machine.ts';
import {
  aofPoints,
  type Files,
  journalPoints,
  maildirPoints,
  type Point,
  redisPoints,
  spoolPoints,
  wirePoints,
} from './points.ts';
import { haveStrace } from './strace.ts';
import { strike } from './strikes.ts';
import { createTraps } from './traps.ts';

/** Strikes at those alone whose names match. */
const only = new RegExp(process.env.POSTERN_FAULT_POINT ?? '');
const mostMs = 900_000;
/** Between two looks a spool can be idle for long enough to cut its journal. */
const lookEveryMs = 3_000;

describe.skipIf(!haveStrace)('SIGKILL at every step that touches disk or wire', () => {
  test('spools in SQLite', async () => {
    const struck = await strikeAll('SQLite', (files) => [
      ...spoolPoints('first mix', files),
      ...spoolPoints('gateway', files),
      ...maildirPoints(files),
      ...wirePoints(),
      ...journalPoints(files),
    ]);
    expect(struck).toEqual({ wrong: [], missed: [] });
  });

  test.skipIf(!haveRedis)('spools in Redis', async () => {
    const struck = await strikeAll('Redis', () => [...redisPoints(), ...aofPoints()]);
    expect(struck).toEqual({ wrong: [], missed: [] });
  });
});

/** What came of striking at all of them, and which were never hit. */
async function strikeAll(
  store: Store,
  pointsOf: (files: Files) => Point[],
): Promise<{ readonly wrong: readonly string[]; readonly missed: readonly string[] }> {
  const traps = createTraps();
  await using chain = await startChain(store, { traps });
  const { nodes, recipient } = chain;
  const points = pointsOf({
    dataDir: (node) => join(nodes[node].folder, 'data'),
    maildir: recipient.maildir,
  }).filter(({ name }) => only.test(name));
  const hits = new Map(points.map(({ name }) => [name, 0]));
  const began = performance.now();
  await using watchful = watchEvidence(async () => chain.net.describe(), lookEveryMs);
  const struck = strike({ chain, traps, points, hits, signal: AbortSignal.timeout(mostMs) });
  const messages = await struck.finally(() => show(hits));
  const { figure, wrong } = await judge(chain, messages, watchful);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  process.stdout.write(`${figure} (${store}; ${points.length} points, ${seconds} s; ${machine()})\n`);
  return { wrong, missed: [...hits].filter(([, count]) => count === 0).map(([name]) => name) };
}

function show(hits: ReadonlyMap<string, number>): void {
  const rows = [...hits].map(([name, count]) => `  ${String(count).padStart(3)}  ${name}\n`);
  process.stdout.write(`times killed at each point:\n${rows.join('')}`);
}
