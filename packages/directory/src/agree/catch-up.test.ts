import { parseNote } from '@postern/protocol/codec';
import {
  type Consensus,
  decodeConsensus,
  maxConsensusLength,
  readIssued,
  signConsensus,
} from '@postern/protocol/consensus';
import { encodeBundle, parseTileName } from '@postern/protocol/log';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Chain, createChain } from '../testing/chain.ts';
import { start } from '../testing/clock.ts';
import { type Other, openSeat, type Seat } from '../testing/seat.ts';
import { catchUp } from './catch-up.ts';

/** What authorities serve that have all of a chain. */
const serving =
  (chain: Chain, change: Record<string, string | undefined> = {}): Other =>
  (path) => {
    if (Object.hasOwn(change, path)) return change[path];
    if (path === '/v1/agreement') return JSON.stringify({ first: 0, newest: chain.leaves.at(-1)?.epoch });
    if (path.startsWith('/v1/consensus/')) return chain.documents.get(Number(path.split('/').at(-1)));
    const name = parseTileName(path.split('/v1/log/tile/')[1] ?? '');
    const tile = name && chain.log.tile(name);
    return tile && Buffer.from(tile).toString();
  };

let seat: Seat;
beforeEach(async () => {
  seat = await openSeat();
});
afterEach(() => seat[Symbol.asyncDispose]());

/** The same authority, between two others that answer so. */
function between(servers: readonly [Other, Other]): Seat {
  seat.others = { 'authority2.test': servers[0], 'authority3.test': servers[1] };
  seat.asked.length = 0;
  return seat;
}

/** Signed by the first two of three, unless by others. */
const chainOf = (count: number, signers = [0, 1]): Chain => {
  const chain = createChain(signers.flatMap((at) => seat.authorities[at] ?? []));
  for (let epoch = 900; epoch < 900 + count; epoch++) chain.issue(epoch);
  return chain;
};
const nothing: Other = () => undefined;

describe('what somebody says to have counts for nothing', () => {
  test.each<[string, () => Other]>([
    ['and has not', () => (path) => (path === '/v1/agreement' ? '{"first":0,"newest":100000}' : undefined)],
    ['which one alone has signed', () => serving(chainOf(2, [1]))],
    [
      'which is for another epoch',
      () =>
        serving(chainOf(2), {
          '/v1/agreement': '{"newest":5000}',
          '/v1/consensus/5000': chainOf(2).documents.get(900),
        }),
    ],
  ])('a consensus %s', async (_, server) => {
    between([server(), nothing]);
    expect(await catchUp(seat, 1_000)).toBe(false);
    expect(seat.store.latest()).toBeUndefined();
    expect(seat.kinds()).toEqual(['unproven-history authority2.test']);
    expect(seat.asked.length).toBeLessThan(5);
  });
});

describe('what is missing is fetched by what the newest says of the log', () => {
  test('of somebody who has it, whatever the other one gives', async () => {
    const chain = chainOf(6);
    const garbage = `${chain.documents.get(902)}\u2014 nobody.test ${Buffer.alloc(68).toString('base64')}\n`;
    const wrong = encodeBundle(
      chain.leaves.map((leaf) => ({ ...leaf, digest: 'ab'.repeat(32) })).slice(0, 5),
    );
    const hostile = serving(chain, {
      '/v1/log/tile/entries/000.p/5': Buffer.from(wrong).toString(),
      '/v1/consensus/901': 'hangs',
      '/v1/consensus/902': garbage,
      '/v1/consensus/903': chain.documents.get(902),
    });
    between([hostile, serving(chain)]);
    expect(await catchUp(seat, 1_000)).toBe(true);
    expect(seat.store.latest()).toMatchObject(chain.leaves.at(-1) ?? {});
    for (const { epoch } of chain.leaves)
      expect(seat.store.issued(epoch)?.signed).not.toContain('nobody.test');
    expect(seat.kinds()).toEqual([]);
  });

  test('under the signatures that hold, and no other lines', async () => {
    const chain = chainOf(3);
    const line = `\u2014 nobody.test ${Buffer.alloc(68).toString('base64')}\n`;
    const padded = serving(chain, {
      '/v1/consensus/901': `${chain.documents.get(901)}${line}`,
      '/v1/consensus/902': `${chain.documents.get(902)}${line.repeat(60)}`,
    });
    await catchUp(between([padded, nothing]), 1_000);
    for (const { epoch } of chain.leaves)
      expect(seat.store.issued(epoch)?.signed).toBe(chain.documents.get(epoch));
  });

  test('of whoever has it under enough, by keys of long ago as well', async () => {
    const [first, second] = [0, 1].map((at) =>
      testAuthority(seat.authorities[at]?.name ?? '', { now: start / 1_000, generation: 7 }),
    ) as [TestAuthority, TestAuthority];
    const stranger = testAuthority('stranger.test', { now: start / 1_000 });
    const old = createChain([first, second]);
    for (const epoch of [900, 901]) old.issue(epoch);
    const chain = createChain(seat.authorities.slice(0, 2), old);
    chain.issue(902);
    const stripped = signConsensus(decodeConsensus(old.documents.get(900) ?? '')?.consensus as Consensus, [
      stranger,
    ]);
    const hostile = serving(chain, { '/v1/consensus/900': stripped, '/v1/certificates/all': 'hangs' });
    const certificates = JSON.stringify([
      'x',
      ...[first, second, stranger].map(({ certificate }) => certificate),
    ]);
    await catchUp(between([hostile, serving(chain, { '/v1/certificates/all': certificates })]), 1_000);
    for (const { epoch } of chain.leaves)
      expect(seat.store.issued(epoch)?.signed).toBe(chain.documents.get(epoch));
    // whoever verifies them later needs these as well
    expect(seat.store.past().map(({ signed }) => signed)).toEqual(
      [first, second].map(({ certificate }) => certificate),
    );
    // nobody has the keys: it stays as it came
    await using other = await openSeat();
    other.others = { 'authority2.test': hostile, 'authority3.test': serving(chain) };
    await catchUp(other, 1_000);
    expect(other.store.issued(900)?.signed).toBe(stripped);
    expect(other.store.latest()?.epoch).toBe(902);
  });

  test('once each, of so long ago that fewer had to sign, and of everybody where enough have', async () => {
    const [, second, third] = seat.authorities as [TestAuthority, TestAuthority, TestAuthority];
    const old = createChain([second]);
    for (let epoch = 900; epoch < 932; epoch++) old.issue(epoch);
    const chain = createChain([second, third], old);
    for (let epoch = 932; epoch < 940; epoch++) chain.issue(epoch);
    const strip = (epoch: number): string =>
      signConsensus(decodeConsensus(chain.documents.get(epoch) ?? '')?.consensus as Consensus, [second]);
    const change = Object.fromEntries([932, 935].map((epoch) => [`/v1/consensus/${epoch}`, strip(epoch)]));
    between([serving(chain, change), serving(chain)]);
    await catchUp(seat, 1_000);
    const { size } = chain.log.head();
    expect(seat.history.head()).toMatchObject({ size });
    for (const { epoch } of chain.leaves) {
      const note = parseNote(seat.store.issued(epoch)?.signed ?? '', maxConsensusLength);
      const signers = (epoch < 932 ? [second] : [second, third]).map(({ name }) => name);
      expect(note?.signatures.map(({ name }) => name)).toEqual(signers);
    }
    const asked = (epoch: number): number =>
      seat.asked.filter((one) => one.endsWith(`/v1/consensus/${epoch}`)).length;
    const more = chain.leaves.filter(({ epoch }) => epoch > 900 && epoch < 932 && asked(epoch) > 1);
    // the others of those of which they are sought by halves
    expect(more.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
    expect([900, 932, 935, 936].map(asked)).toEqual([3, expect.any(Number), 3, 1]);
    expect(asked(932)).toBeGreaterThan(1);
    expect(seat.kinds()).toEqual([]);
  });

  test('up to an epoch, and after a gap from where it was', async () => {
    const chain = chainOf(4);
    const peers = [serving(chain), serving(chain)] as const;
    await catchUp(between(peers), 901);
    expect(seat.store.latest()?.epoch).toBe(901);
    between(peers);
    await catchUp(seat, 1_000);
    expect(seat.store.latest()?.epoch).toBe(903);
    expect(seat.asked.filter((one) => one.includes('/consensus/90')).length).toBe(3);
    expect(await catchUp(between(peers), 1_000)).toBe(false);
  });

  test('in a few requests, where hundreds of epochs had none', async () => {
    const chain = chainOf(2);
    chain.issue(1_400);
    between([serving(chain), serving(chain)]);
    await catchUp(seat, 1_400);
    expect(seat.store.latest()?.epoch).toBe(1_400);
    expect(seat.asked.length).toBeLessThan(12);
  });
});

describe('a history that is another one', () => {
  test.each([2, 5])('is a fork, %i consensuses long', async (more) => {
    const chain = chainOf(2);
    await catchUp(between([serving(chain), nothing]), 1_000);
    const other = createChain(seat.authorities.slice(1));
    for (let at = 0; at < more; at++) other.issue(950 + at);
    between([serving(other), nothing]);
    await catchUp(seat, 1_000);
    expect(seat.kinds()).toEqual(['fork authority2.test']);
    expect(seat.store.latest()).toMatchObject(chain.leaves[1] ?? {});
  });

  test('is none because somebody gives wrong leaves', async () => {
    const chain = chainOf(2);
    await catchUp(between([serving(chain), nothing]), 1_000);
    chain.issue(910);
    chain.issue(911);
    const wrong = Buffer.from(encodeBundle(chain.leaves.slice(1, 4))).toString();
    between([serving(chain, { '/v1/log/tile/entries/000.p/3': wrong }), nothing]);
    await catchUp(seat, 1_000);
    expect(seat.kinds()).toEqual([]);
    const { signed } = seat.store.latest() ?? { signed: '' };
    expect(readIssued(signed, seat.members)).toMatchObject({ consensus: { epoch: 901 } });
  });

  test('is none because a question was lost', async () => {
    const chain = chainOf(4);
    await catchUp(between([serving(chain), nothing]), 1_000);
    chain.issue(910);
    chain.issue(911);
    const served = serving(chain);
    const lost = { left: 1 };
    const once: Other = (path) => (path.includes('/tile/') && lost.left-- > 0 ? undefined : served(path));
    between([once, nothing]);
    await catchUp(seat, 1_000);
    expect(seat.kinds()).toEqual([]);
    expect(seat.store.latest()).toMatchObject(chain.leaves.at(-1) ?? {});
  });

  test('is none because enough have signed the newest here while others were asked for it', async () => {
    const chain = chainOf(3);
    const path = '/v1/consensus/902';
    const served = serving(chain);
    await catchUp(between([served, nothing]), 901);
    const became: string[] = [];
    const meanwhile: Other = (asked) => {
      if (asked === path) {
        const read = readIssued(chain.documents.get(902) ?? '', seat.members);
        if (read.kind === 'refused') throw new Error(read.detail);
        became.push(seat.ledger.append({ read, signed: chain.documents.get(902) ?? '' }));
      }
      return served(asked);
    };
    between([meanwhile, nothing]);
    expect(await catchUp(seat, 1_000)).toBe(true);
    expect(became).toEqual(['issued']);
    expect(seat.kinds()).toEqual([]);
    expect(seat.asked.at(-1)).toBe(`authority2.test ${path}`);
    expect(seat.store.latest()?.epoch).toBe(902);
  });
});
