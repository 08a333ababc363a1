import { join } from 'node:path';
import { haveRedis } from '@postern/node/testing';
import { describe, expect, test } from 'vitest';
import { machine } from '../machine.ts';
import { type Store, startCascade } from './cascade.ts';
import { nodesOf, watchEvidence } from './evidence.ts';
import { judge } from './judge.ts';
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

/** The points of networks whose spools lie in each store. */
const all: Readonly<Record<Store, (files: Files) => Point[]>> = {
  SQLite: (files) => [
    ...spoolPoints('first mix', files),
    ...spoolPoints('gateway', files),
    ...maildirPoints(files),
    ...wirePoints(),
    ...journalPoints(files),
  ],
  Redis: () => [...redisPoints(), ...aofPoints()],
};
/** Strikes at those alone whose names match. */
const only = new RegExp(process.env.POSTERN_FAULT_POINT ?? '');
const pointsOf = (store: Store, files: Files): Point[] =>
  all[store](files).filter(({ name }) => only.test(name));
const countOf = (store: Store): number => pointsOf(store, { dataDir: () => '', maildir: '' }).length;
const mostMs = 900_000;
/** Between two looks a spool can be idle for long enough to cut its journal. */
const lookEveryMs = 3_000;

if (countOf('SQLite') + countOf('Redis') === 0) throw new Error(`no point’s name matches ${only}`);

describe.skipIf(!haveStrace)('SIGKILL at each named step at disk and wire', () => {
  test.skipIf(countOf('SQLite') === 0)('spools in SQLite', async () => {
    expect(await strikeAll('SQLite')).toEqual({ wrong: [], missed: [] });
  });

  test.skipIf(!haveRedis || countOf('Redis') === 0)('spools in Redis', async () => {
    expect(await strikeAll('Redis')).toEqual({ wrong: [], missed: [] });
  });
});

/** What came of striking at all of them, and which were never hit. */
async function strikeAll(
  store: Store,
): Promise<{ readonly wrong: readonly string[]; readonly missed: readonly string[] }> {
  const traps = createTraps();
  await using cascade = await startCascade(store, { traps });
  const { nodes, recipient } = cascade;
  const points = pointsOf(store, {
    dataDir: (node) => join(nodes[node].folder, 'data'),
    maildir: recipient.maildir,
  });
  const hits = new Map(points.map(({ name }) => [name, 0]));
  const began = performance.now();
  await using watchful = watchEvidence(() => nodesOf(cascade.net.describe()), lookEveryMs);
  const signal = AbortSignal.timeout(mostMs);
  const struck = strike({ cascade, traps, points, hits, before: watchful.look, signal });
  const messages = await struck.finally(() => show(hits));
  const { figure, evidence, wrong } = await judge(cascade, messages, watchful);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  process.stdout.write(`${figure} (${store}; ${points.length} points, ${seconds} s; ${machine()})\n`);
  // Nobody strikes at the last mix, nor at its spool in SQLite: it has counted every packet.
  const { exits } = evidence.firsts;
  if (store === 'SQLite' && exits !== messages) wrong.push(`${exits} packets at the last mix`);
  return { wrong, missed: [...hits].filter(([, count]) => count === 0).map(([name]) => name) };
}

function show(hits: ReadonlyMap<string, number>): void {
  const rows = [...hits].map(([name, count]) => `  ${String(count).padStart(3)}  ${name}\n`);
  process.stdout.write(`times killed at each point:\n${rows.join('')}`);
}
