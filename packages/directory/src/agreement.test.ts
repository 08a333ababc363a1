import { afterEach, describe, expect, test } from 'vitest';
import { epochSeconds } from './testing/clock.ts';
import { type Council, openCouncil, servedFor } from './testing/council.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const mixes = Array.from({ length: 4 }, (_, at) => `mix${at + 1}.test`);

let council: Council;
afterEach(() => council[Symbol.asyncDispose]());

/** Authorities that have agreed on the first consensus. */
async function settle(count: number): Promise<void> {
  council = await openCouncil(count);
  await council.start();
  await council.register(...mixes);
  await council.untilHolds(() => council.members.every(({ running }) => running?.status().consensus), hour);
}

describe('several authorities', () => {
  test('agree on one consensus, which all of them sign, and on the next one before its epoch begins', async () => {
    await settle(3);
    const names = council.members.map(({ name }) => name);
    expect([...(await servedFor(council, epoch)).values()]).toEqual([{ by: names, signedBy: names }]);
    await council.until((epoch + 1) * hour - 1);
    expect([...(await servedFor(council, epoch + 1)).values()]).toEqual([{ by: names, signedBy: names }]);
    for (const { running } of council.members) expect(running?.status().alarms).toEqual([]);
  });
});
