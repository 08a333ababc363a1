import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type NodeHost, startTestNetwork, type TestNetwork } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const arrivals = 14;

let net: TestNetwork;
beforeAll(async () => {
  net = await startTestNetwork({ mixes: 3, meanDelayMs: 600_000, epoch: '24h' });
}, 180_000);
afterAll(() => net[Symbol.asyncDispose]());

type Row = Readonly<Record<string, unknown>>;

/**
 * The packets that wait in a spool, in the order in which a reader gets them, each under a stretch of its bytes that tells it from the
 * others wherever it lies. For a node that does not run: while it does, it has the file for itself.
 */
function waitingIn(spool: string): Map<string, Row> {
  using db = new DatabaseSync(spool, { readOnly: true });
  const rows = db.prepare('SELECT * FROM relays JOIN slots USING (slot)').all();
  return new Map(
    rows.map((row) => [
      Buffer.from(row.bytes as Uint8Array)
        .subarray(8_000, 8_032)
        .toString('hex'),
      row,
    ]),
  );
}

/** Lets one packet after the other come to a mix, and notes which row each became. */
async function arriveOneByOne(mix: NodeHost, spool: string): Promise<string[]> {
  const order: string[] = [];
  for (let at = 0; at < arrivals; at++) {
    const message = `From: alice@a.test\r\nTo: bob@b.test\r\nSubject: ${at}\r\n\r\n${at}\r\n`;
    expect((await net.client('alice@a.test').send(Buffer.from(message))).kind).toBe('sent');
    await net.rest();
    await mix.stop();
    const fresh = [...waitingIn(spool).keys()].filter((one) => !order.includes(one));
    expect(fresh).toHaveLength(1);
    order.push(...fresh);
    await mix.start();
  }
  return order;
}

/** Pairs that stand in the wrong order: none when sorted, all when sorted the other way, about half by chance. */
function inversions(places: readonly (number | string)[]): number {
  return places.reduce<number>(
    (sum, place, at) => sum + places.slice(at + 1).filter((later) => later < place).length,
    0,
  );
}

/** 3.5 standard deviations about what chance makes of `count` places (Kendall, 1938). */
function chanceRange(count: number): [least: number, most: number] {
  const mean = (count * (count - 1)) / 4;
  const deviation = Math.sqrt((count * (count - 1) * (2 * count + 5)) / 72);
  return [mean - 3.5 * deviation, mean + 3.5 * deviation];
}

test('the measure sees an order, either way round', () => {
  const [least, most] = chanceRange(arrivals);
  const sorted = Array.from({ length: arrivals }, (_, at) => at);
  expect(inversions(sorted)).toBeLessThan(least);
  expect(inversions(sorted.reverse())).toBeGreaterThan(most);
});

test('packets that wait in a mix lie in no order that tells in which they came', async () => {
  const { consensus } = await net.client('alice@a.test').route();
  const mix = net.node(consensus.nodes.find(({ layer }) => layer === 1)?.name ?? '');
  const spool = join(mix.dataDir, 'spool.sqlite');
  const order = await arriveOneByOne(mix, spool);
  await mix.stop();

  const [least, most] = chanceRange(arrivals);
  const check = (what: string, places: readonly (number | string)[]): void => {
    const found = inversions(places);
    expect([what, found > least && found < most]).toEqual([what, true]);
  };
  // Where in the file.
  const file = await readFile(spool);
  check(
    'place in the file',
    order.map((packet) => file.indexOf(Buffer.from(packet, 'hex'))),
  );
  // In which order a reader gets them, and by any column.
  const packets = waitingIn(spool);
  expect(packets.size).toBe(arrivals);
  const scanned = [...packets.keys()];
  check(
    'order of rows',
    order.map((packet) => scanned.indexOf(packet)),
  );
  for (const column of Object.keys(packets.get(order[0] ?? '') ?? {})) {
    const values = order.map((packet) => packets.get(packet)?.[column]);
    const distinct = new Set(values.map(String));
    // A column in which most rows are alike cannot put them in order.
    if (distinct.size < arrivals / 2) continue;
    const places = values.map((value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : (value as number | string),
    );
    check(column, places);
  }
});
