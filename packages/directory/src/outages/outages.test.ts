import { setImmediate as turn } from 'node:timers/promises';
import { type Outage, signOutage, verifyOutage } from '@postern/protocol/consensus';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { afterEach, expect, test } from 'vitest';
import type { Answer } from '../ask.ts';
import { get, openBench } from '../testing/authorities.ts';
import { start } from '../testing/clock.ts';
import { createCouncilBench, epoch, hour, mixes } from '../testing/council-bench.ts';

const bench = createCouncilBench();
const { trust, names, running, first, haveAll, alarmsOf } = bench;
afterEach(bench.close);

const minute = 60_000;

/** Opens a council of three in which each misses those mixes that `misses` names for it. */
async function begin(misses: (authority: number, mix: string) => boolean): Promise<void> {
  await bench.open(3);
  for (const at of [0, 1, 2])
    await bench.council.start(
      at,
      { probe: true },
      { reach: ({ name }) => Promise.resolve(!misses(at, name)) },
    );
  await bench.council.register(...mixes);
  await bench.council.untilHolds(haveAll(epoch), hour);
}

const pass = (minutes: number): Promise<void> =>
  bench.council.until(bench.council.clock.now() + minutes * minute);

/** What an authority serves. */
async function served(at: number): Promise<Outage[]> {
  const { text } = await get(running()[at] ?? first(), '/v1/outages');
  return (JSON.parse(text) as string[]).map((signed) => {
    const read = verifyOutage(signed, trust());
    if (read.kind === 'refused') throw new Error(read.detail);
    return read.outage;
  });
}

const stateOf = (at: number) => running()[at]?.status().outages;

test('a mix that two of three authorities miss is out, one that one misses is not; each serves what all say', async () => {
  const [mix1, mix2] = mixes;
  await begin((at, name) => (name === mix1 && at > 0) || (name === mix2 && at === 0));
  await pass(20);
  for (const at of [0, 1, 2]) {
    const notices = await served(at);
    expect(notices.map(({ authority }) => authority).sort()).toEqual(names());
    for (const notice of notices) {
      expect(notice.epoch).toBe(epoch);
      expect(notice.down).toHaveLength(1);
    }
    expect(stateOf(at)).toEqual({
      by: names(),
      missed: [
        { id: expect.any(String), name: mix1, by: ['authority2.test', 'authority3.test'], out: true },
        { id: expect.any(String), name: mix2, by: ['authority1.test'], out: false },
      ],
    });
    expect(alarmsOf(at)).toEqual([]);
  }
  const { text } = await get(first(), '/');
  expect(text).toContain(`<bdi>${mix1}</bdi>: <strong class="missing">left out</strong>`);
  expect(text).toContain(`<bdi>${mix2}</bdi>: still used`);

  // another epoch's notice is there as soon as its consensus is
  await bench.council.until((epoch + 1) * hour + 1);
  expect((await served(0))[0]).toMatchObject({ epoch: epoch + 1, authority: 'authority1.test' });
  expect((await served(0))[0]?.down).toHaveLength(1);

  // a notice of one that has ended is served as long as it counts, and no longer
  await pass(5);
  expect(stateOf(0)?.by).toEqual(names());
  await bench.council.stop(2);
  await pass(5);
  expect(stateOf(0)?.by).toEqual(names());
  await pass(7);
  expect(stateOf(0)).toMatchObject({ by: names().slice(0, 2), missed: [{ out: false }, { out: false }] });
});

test('an authority takes notices of others as they signed them, and nothing else', async () => {
  await using alone = await openBench();
  const { clock } = alone;
  const [ours, other, third] = [1, 2, 3].map((at) =>
    testAuthority(`authority${at}.test`, { now: start / 1_000 }),
  ) as [TestAuthority, TestAuthority, TestAuthority];
  const now = (): number => Math.floor(clock.now() / 1_000);
  const notice = (change: Partial<Outage> = {}, by = other): string =>
    signOutage({ version: 1, epoch, authority: by.name, at: now(), down: [], ...change }, by);
  let list = (): string => '[]';
  let asked = 0;
  const exchange = (url: string): Promise<Answer> => {
    const { pathname } = new URL(url);
    if (pathname === '/v1/outages') asked += 1;
    const text = pathname === '/v1/outages' ? list() : JSON.stringify([other.certificate]);
    const isThere = ['/v1/outages', '/v1/certificates'].includes(pathname);
    return Promise.resolve({ kind: 'answer', status: isThere ? 200 : 404, text, date: undefined });
  };
  const peers = [{ url: 'http://authority2.test', key: other.vkey }];
  const authority = await alone.run({ probe: true, peers, threshold: 2 }, { exchange });
  /** What it serves once it has asked again. */
  const after = async (text: () => string): Promise<string[]> => {
    const before = asked;
    list = text;
    for (let second = 0; asked === before && second < 300; second++) {
      clock.advance(1_000);
      await turn();
    }
    expect(asked).toBe(before + 1);
    return JSON.parse((await get(authority, '/v1/outages')).text) as string[];
  };
  for (const text of [
    () => {
      throw new Error('too many open files');
    },
    () => 'x',
    () => '{}',
    () => JSON.stringify([notice({ authority: other.name }, third), notice({}, third)]),
    () => JSON.stringify([notice({ at: now() + 3_600 }), notice({ at: now() - 3_600 })]),
    () => JSON.stringify([notice().replace(`"epoch":${epoch}`, `"epoch":${epoch + 1}`)]),
    () => JSON.stringify([notice({}, ours)]),
  ])
    expect(await after(text)).toEqual([]);
  const newest = notice();
  expect(await after(() => JSON.stringify([notice({ at: now() - 200 }), newest]))).toEqual([newest]);
  // one that is older comes too late
  expect(await after(() => JSON.stringify([notice({ at: now() - 400 })]))).toEqual([newest]);
});
