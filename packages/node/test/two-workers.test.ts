import { hash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createSmtpSender, type SmtpSender } from '@postern/mail';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import { forward } from '../src/forward/forward.ts';
import { createLifetime } from '../src/lifetime.ts';
import { mix } from '../src/mix/mix.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { claimLeaseMs, type Spool } from '../src/spool.ts';
import { chain } from '../src/stage.ts';
import { createTopology, type Topology } from '../src/topology.ts';
import { createWays } from '../src/ways.ts';
import { consensusOf, type Peer, startPeer } from './peers.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

const start = Date.UTC(2033, 1, 2, 3, 0, 0);
const dayMs = 86_400_000;
const id = 'ab'.repeat(32);

let stack: AsyncDisposableStack;
let clock: FakeClock;
let spool: Spool;
let peer: Peer;
let topologies: Topology[];
/** Hand-overs, of all workers. */
let handOvers: { begun: number; ended: number };

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = await storesFolder('workers');
  stack.defer(() => rm(folder, { recursive: true }));
  clock = fakeClock(start);
  topologies = [];
  handOvers = { begun: 0, ended: 0 };
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random: seeded('workers') }));
  peer = stack.use(await startPeer(id, 'mix2.test'));
});
afterEach(() => stack.disposeAsync());

/** Begins to forward what lies in the spool, beside whoever does so already. */
function startWorker(seed: string): void {
  const random = seeded(seed);
  const smtp = stack.use(createSmtpSender({ ehloName: 'mix.test' }));
  const sender: SmtpSender = {
    async send(to, message) {
      handOvers.begun += 1;
      return await smtp.send(to, message).finally(() => {
        handOvers.ended += 1;
      });
    },
    close: () => smtp.close(),
    [Symbol.asyncDispose]: () => smtp.close(),
  };
  const topology = createTopology(clock);
  topologies.push(topology);
  const lifetime = createLifetime(clock, 10_000);
  const counters = createCounters(createMetrics());
  const context = { clock, random, log: silentLog, spool, counters, sender, lifetime };
  const ways = createWays({ topology });
  const stage = chain(mix(context), forward({ ...context, ways, name: 'mix.test', connectionsPerPeer: 2 }));
  stack.defer(() => {
    lifetime.stop();
    lifetime.ended();
    return stage.close();
  });
}

/** Stores relays that are due, unclaimed, and gives their bytes. */
async function store(count: number): Promise<string[]> {
  const stored: string[] = [];
  for (let at = 0; at < count; at++) {
    await spool.accept(unit());
    const [input] = await spool.claimInputs('packet', 1);
    const times = { dueMs: clock.now(), expiresMs: clock.now() + 5 * dayMs };
    const verdict = relayVerdict({ next: { kind: 'node', id }, ...times });
    const settled = await spool.settle(input?.id ?? '', verdict);
    if (settled.kind !== 'waiting') throw new Error(settled.kind);
    await spool.relays.release([settled.waiting.id]);
    stored.push(mark(verdict.relay.bytes));
  }
  return stored.sort();
}

const mark = (bytes: Uint8Array): string => hash('sha256', bytes);
const arrived = (): string[] => peer.taken.map(mark).sort();
/** Time goes on in small steps, each with a consensus that is valid, until nothing waits; not past a hand-over, which has not all the time there is. */
const gone = (): Promise<void> =>
  until(async () => {
    for (const topology of topologies) topology.update(consensusOf([peer.entry], clock.now()));
    if (handOvers.ended === handOvers.begun) await clock.advance(500);
    return (await spool.counts()).relays === 0;
  });

describe('Q4 two workers at one spool', () => {
  test('send each relay once', async () => {
    const stored = await store(60);
    startWorker('one');
    startWorker('two');
    await gone();
    expect(arrived()).toEqual(stored);
  });

  test('and a clock that jumps a day ahead and back', async () => {
    const stored = await store(8);
    startWorker('one');
    startWorker('two');
    let met = 0;
    for (const jump of [dayMs, -dayMs, dayMs]) {
      const { ended } = handOvers;
      await clock.advance(jump);
      met += handOvers.begun - ended;
      stored.push(...(await store(8)));
      for (const topology of topologies) topology.update(consensusOf([peer.entry], clock.now()));
    }
    await gone();
    expect([...new Set(arrived())]).toEqual(stored.sort());
    // What a jump meets on its way is cut off, and may be there already: that alone goes again.
    expect(arrived().length).toBeLessThanOrEqual(stored.length + met);
  });

  test('and a claim whose holder stalls: another takes it once its lease is over, and the first then does nothing', async () => {
    const [stored = ''] = await store(1);
    const [held] = await spool.relays.claim(1);
    startWorker('other');
    await clock.advance(claimLeaseMs / 2);
    expect(await spool.relays.claim(1)).toEqual([]);
    expect(peer.taken).toEqual([]);
    await gone();
    expect(arrived()).toEqual([stored]);
    await spool.relays.retry(held?.id ?? '', clock.now());
    await spool.relays.finish(held?.id ?? '');
    expect(await spool.relays.claim(1)).toEqual([]);
    expect(await spool.counts()).toMatchObject({ relays: 0 });
  });

  test('and an input whose holder stalls: it becomes one relay', async () => {
    await spool.accept(unit());
    const [held] = await spool.claimInputs('packet', 1);
    expect(await spool.claimInputs('packet', 1)).toEqual([]);
    await clock.advance(claimLeaseMs);
    const [again] = await spool.claimInputs('packet', 1);
    expect(again?.id).toBe(held?.id);
    const verdict = relayVerdict();
    expect((await spool.settle(again?.id ?? '', verdict)).kind).toBe('waiting');
    expect((await spool.settle(held?.id ?? '', verdict)).kind).toBe('gone');
    expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 1 });
  });
});
