import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readIssued } from '@postern/protocol/consensus';
import { encodeBundle, parseTileName } from '@postern/protocol/log';
import { testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAlarms } from '../alarms.ts';
import type { Answer } from '../ask.ts';
import { openLog } from '../log/log.ts';
import { type AuthorityStore, openStore } from '../store.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { others, ours } from '../testing/readers.ts';
import { type CatchUp, catchUp } from './catch-up.ts';
import { createLedger } from './ledger.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';

const third = testAuthority('authority3.test', { now: Math.floor(start / 1_000) });
const all = [ours, others, third];
const members: Members = {
  name: ours.name,
  names: all.map(({ name }) => name),
  others: [],
  threshold: 2,
  authorities: all.map(({ key }) => key),
  signingKeys: all.map(({ signingKey }) => signingKey),
  signerFor: () => ours,
  validUntil: () => 0,
};

type Server = (path: string) => string | undefined | 'hangs' | Promise<string | undefined>;

/** What authorities serve that have all of a chain. */
const serving =
  (chain: Chain, change: Record<string, string | undefined> = {}): Server =>
  (path) => {
    if (Object.hasOwn(change, path)) return change[path];
    if (path === '/v1/agreement') return JSON.stringify({ first: 0, newest: chain.leaves.at(-1)?.epoch });
    if (path.startsWith('/v1/consensus/')) return chain.documents.get(Number(path.split('/').at(-1)));
    const name = parseTileName(path.split('/v1/log/tile/')[1] ?? '');
    const tile = name && chain.log.tile(name);
    return tile && Buffer.from(tile).toString();
  };

let folder = '';
let store: AuthorityStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-catch-up-'));
  store = openStore(join(folder, 'authority.sqlite'));
});
afterEach(async () => {
  store[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

/** An authority whose store is `store`, between two others. */
function between(
  servers: readonly [Server, Server],
): CatchUp & { readonly asked: string[]; alarms: CatchUp['alarms'] } {
  const asked: string[] = [];
  let nowMs = start;
  const names = [others.name, third.name];
  const ask: Peers['ask'] = async (name, path): Promise<Answer> => {
    asked.push(`${name} ${path}`);
    const text = await servers[names.indexOf(name)]?.(path);
    nowMs += text === 'hangs' ? 10_000 : 1;
    if (text === 'hangs') return { kind: 'unreachable', why: 'no answer' };
    return { kind: 'answer', status: text === undefined ? 404 : 200, text: text ?? '', date: undefined };
  };
  const history = openLog(store);
  const alarms = createAlarms(keepingLog().log);
  const ledger = createLedger({ store, history, members, alarms, issued: () => {} });
  const peers: Peers = { names, ask, push() {}, seen: new Map(), [Symbol.asyncDispose]: async () => {} };
  return { peers, members, store, history, ledger, alarms, asked, now: () => nowMs };
}

const chainOf = (count: number, signers = [ours, others]): Chain => {
  const chain = createChain(signers);
  for (let epoch = 900; epoch < 900 + count; epoch++) chain.issue(epoch);
  return chain;
};
const nothing: Server = () => undefined;
const kinds = ({ alarms }: CatchUp): string[] => alarms.standing.map(({ kind, about }) => `${kind} ${about}`);

describe('what somebody says to have counts for nothing', () => {
  test.each<[string, Server]>([
    ['and has not', (path) => (path === '/v1/agreement' ? '{"first":0,"newest":100000}' : undefined)],
    ['which one alone has signed', serving(chainOf(2, [others]))],
    [
      'which is for another epoch',
      serving(chainOf(2), {
        '/v1/agreement': '{"newest":5000}',
        '/v1/consensus/5000': chainOf(2).documents.get(900),
      }),
    ],
  ])('a consensus %s', async (_, server) => {
    const context = between([server, nothing]);
    expect(await catchUp(context, 1_000)).toBe(false);
    expect(store.latest()).toBeUndefined();
    expect(kinds(context)).toEqual([`unproven-history ${others.name}`]);
    expect(context.asked.length).toBeLessThan(5);
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
    const context = between([hostile, serving(chain)]);
    expect(await catchUp(context, 1_000)).toBe(true);
    expect(store.latest()).toMatchObject(chain.leaves.at(-1) ?? {});
    for (const { epoch } of chain.leaves) expect(store.issued(epoch)?.signed).not.toContain('nobody.test');
    expect(kinds(context)).toEqual([]);
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
      expect(store.issued(epoch)?.signed).toBe(chain.documents.get(epoch));
  });

  test('up to an epoch, and after a gap from where it was', async () => {
    const chain = chainOf(4);
    const peers = [serving(chain), serving(chain)] as const;
    await catchUp(between(peers), 901);
    expect(store.latest()?.epoch).toBe(901);
    const further = between(peers);
    await catchUp(further, 1_000);
    expect(store.latest()?.epoch).toBe(903);
    expect(await catchUp(between(peers), 1_000)).toBe(false);
    expect(further.asked.filter((one) => one.includes('/consensus/90')).length).toBe(3);
  });

  test('in a few requests, where hundreds of epochs had none', async () => {
    const chain = chainOf(2);
    chain.issue(1_400);
    const context = between([serving(chain), serving(chain)]);
    await catchUp(context, 1_400);
    expect(store.latest()?.epoch).toBe(1_400);
    expect(context.asked.length).toBeLessThan(12);
  });
});

describe('a history that is another one', () => {
  test.each([2, 5])('is a fork, %i consensuses long', async (more) => {
    const chain = chainOf(2);
    await catchUp(between([serving(chain), nothing]), 1_000);
    const other = createChain([others, third]);
    for (let at = 0; at < more; at++) other.issue(950 + at);
    const context = between([serving(other), nothing]);
    await catchUp(context, 1_000);
    expect(kinds(context)).toEqual([`fork ${others.name}`]);
    expect(store.latest()).toMatchObject(chain.leaves[1] ?? {});
  });

  test('is none because somebody gives wrong leaves', async () => {
    const chain = chainOf(2);
    await catchUp(between([serving(chain), nothing]), 1_000);
    chain.issue(910);
    chain.issue(911);
    const wrong = Buffer.from(encodeBundle(chain.leaves.slice(1, 4))).toString();
    const context = between([serving(chain, { '/v1/log/tile/entries/000.p/3': wrong }), nothing]);
    await catchUp(context, 1_000);
    expect(kinds(context)).toEqual([]);
    const { signed } = store.latest() ?? { signed: '' };
    expect(readIssued(signed, members)).toMatchObject({ consensus: { epoch: 901 } });
  });
});
