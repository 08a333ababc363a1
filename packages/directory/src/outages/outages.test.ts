import { type Outage, signOutage, verifyOutage } from '@postern/protocol/consensus';
import { afterEach, expect, test } from 'vitest';
import { get } from '../testing/authorities.ts';
import { createSession, epoch, hour, mixes } from '../testing/session.ts';

const session = createSession();
const { trust, names, running, first, haveAll, alarmsOf } = session;
afterEach(session.close);

const minute = 60_000;

/** Opens a council of three in which each misses those mixes that `misses` names for it. */
async function begin(misses: (authority: number, mix: string) => boolean): Promise<void> {
  await session.open(3);
  for (const at of [0, 1, 2])
    await session.council.start(
      at,
      { probe: true },
      { reach: ({ name }) => Promise.resolve(!misses(at, name)) },
    );
  await session.council.register(...mixes);
  await session.council.untilHolds(haveAll(epoch), hour);
}

const pass = (minutes: number): Promise<void> =>
  session.council.until(session.council.clock.now() + minutes * minute);

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

  // a notice of one that has ended is served as long as it counts, and no longer
  await session.council.stop(2);
  await pass(5);
  expect(stateOf(0)?.by).toEqual(names());
  await pass(7);
  expect(stateOf(0)).toMatchObject({ by: names().slice(0, 2), missed: [{ out: false }, { out: false }] });
});

test('what a notice says is of the consensus that readers have, as soon as they have it', async () => {
  await begin((_, name) => name === mixes[0]);
  await pass(20);
  await session.council.until((epoch + 1) * hour + 1);
  expect((await served(0))[0]).toMatchObject({ epoch: epoch + 1, authority: 'authority1.test' });
  expect((await served(0))[0]?.down).toHaveLength(1);
});

test('an authority takes notices of others as they signed them, and nothing else', async () => {
  await begin(() => false);
  const { council } = session;
  const at = (): number => Math.floor(council.clock.now() / 1_000);
  const notice = (change: Partial<Outage>, by: number): string => {
    const outage: Outage = { version: 1, epoch, authority: 'authority2.test', at: at(), down: [], ...change };
    return signOutage(outage, council.member(by).signer);
  };
  const id = 'a'.repeat(64);
  const lists: readonly (() => string)[] = [
    () => 'x',
    () => '{}',
    () => JSON.stringify([notice({ down: [id] }, 2), notice({ at: at() + 3_600, down: [id] }, 1)]),
    () => JSON.stringify([notice({ down: [id] }, 1).replace('"epoch":1000', '"epoch":1001')]),
    () => JSON.stringify([notice({ authority: 'authority1.test', down: [id] }, 0)]),
  ];
  let asked = 0;
  council.wire = ({ from, path }) => {
    if (path !== '/v1/outages' || from !== 'authority1.test') return {};
    const text = lists[asked++ % lists.length]?.() ?? '';
    return { answer: { kind: 'answer', status: 200, text, date: undefined } };
  };
  await pass(20);
  expect(asked).toBeGreaterThan(lists.length);
  expect(await served(0)).toEqual([expect.objectContaining({ authority: 'authority1.test', down: [] })]);
});

test('one that does not try the mixes says nothing of them', async () => {
  await session.begin(3);
  await session.council.untilHolds(haveAll(epoch), hour);
  await pass(20);
  expect((await get(first(), '/v1/outages')).text).toBe('[]');
  expect(stateOf(0)).toEqual({ by: [], missed: [] });
});
