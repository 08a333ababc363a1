import { spkiPin } from '@postern/mail';
import { haveRedis, startRedis } from '@postern/node/testing';
import { until } from '@postern/testkit';
import { createIdentity } from '../../interop/debian.ts';
import type { Benchmark } from '../benchmark.ts';
import { type Ends, startEnds } from '../hop/ends.ts';
import { loadOf } from '../hop/hop.ts';
import { inTime } from '../hop/in-time.ts';
import { createMix, type Mix } from '../hop/mix.ts';
import { ifInterrupted, temporaryFolder } from '../interrupted.ts';
import { disk, machine, median } from '../measure.ts';
import { perMessage, startUsage, type Usage } from '../usage.ts';
import { modelLines } from './model.ts';
import { keepInRedis, type StageProcess, startStages } from './node.ts';

const rounds = 3;
const deadlineMs = 600_000;

export const scaleBenchmark: Benchmark = {
  summary: 'a mix in several processes over one Redis, stage by stage: one that peels, and two',
  gates: ['every packet leaves, once'],
  needs: 'redis-server, a temporary folder on a disk; some minutes',
  lacks: () => (haveRedis ? undefined : 'redis-server'),
  runs: 2_000,
  run,
};

/** What one stage did with all packets while the others stood still. */
interface Turn {
  /** Packets a second. */
  readonly rate: number;
  /** Processor time a packet, ms: of the stage's processes, and of Redis. */
  readonly node: Usage;
  readonly redis: Usage;
}

interface Bench {
  readonly mix: Mix;
  readonly ends: Ends;
  readonly redisPid: number;
  readonly receiver: StageProcess;
  readonly peelers: readonly StageProcess[];
  readonly forwarder: StageProcess;
}

const stages = ['receive', 'peel, one process', 'peel, two processes', 'forward'] as const;
type StageName = (typeof stages)[number];
/** What a packet goes through. */
const eachOnce = ['receive', 'peel, one process', 'forward'] as const;

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const place = disk();
  await using opened = new AsyncDisposableStack();
  const folder = await temporaryFolder(opened, 'postern-scale-');
  const redis = opened.use(await startRedis(folder));
  opened.use(ifInterrupted(() => void redis.kill()));
  const tls = createIdentity('sink.test');
  const ends = opened.use(await startEnds());
  const mix = opened.use(await createMix({ port: await ends.listen(tls), pin: spkiPin(tls.cert) }));
  await keepInRedis(mix, redis.socket);
  const started = async (name: string, stage: string): Promise<StageProcess> =>
    opened.use(await startStages(mix, name, [stage]));
  // The first one draws the chain of mix keys that the others are copied with.
  const first = await started('mix', 'peel');
  await mix.listed(first.dataDir);
  const bench: Bench = {
    mix,
    ends,
    redisPid: redis.pid,
    peelers: [first, await started('second', 'peel')],
    receiver: await started('receiver', 'receive'),
    forwarder: await started('forwarder', 'forward'),
  };

  const turns: Record<StageName, Turn[]> = {
    receive: [],
    'peel, one process': [],
    'peel, two processes': [],
    forward: [],
  };
  let sent = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const peelers of round % 2 === 0 ? [1, 2] : [2, 1]) {
      const count = round === 0 ? Math.ceil(runs / 5) : runs;
      const done = await throughAll(bench, peelers, count);
      sent += count;
      const say = (name: StageName, turn: Turn): void => {
        process.stderr.write(`${name}, round ${round} of ${rounds}: ${turn.rate.toFixed(0)} packets/s\n`);
        if (round > 0) turns[name].push(turn);
      };
      say('receive', done.receive);
      say(peelers === 1 ? 'peel, one process' : 'peel, two processes', done.peel);
      say('forward', done.forward);
    }
  }
  const copies = (await ends.taken()) - sent;
  const one = turns['peel, one process'];
  const ratios = turns['peel, two processes'].map(({ rate }, at) => rate / (one[at]?.rate ?? 0));
  return {
    lines: [
      machine(),
      `method: ${rounds} rounds, after one to warm up; in each ${runs} packets go through a mix whose stages run in processes of their own over one Redis (synced before each answer, in ${place}),`,
      'stage after stage, while the others are held: so each rate is of that stage and Redis alone, with the source or the sink on the same machine.',
      'At the rate under "one thread" a thread would be at work all the time: more than that takes another process or, for Redis, another spool. It is the most that can be, since a',
      'thread waits too: Redis for the disk. What it does each minute besides, in a process of its own, is not counted.',
      '',
      `${''.padEnd(20)} ${'packets/s'.padStart(9)}   processor, ms a packet: node (its busiest thread), Redis   Redis at work   one thread: node, Redis`,
      ...stages.map((name) => row(name, turns[name])),
      '',
      `two that peel against one, median of the rounds: ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(' ')})`,
      `Redis for a packet from end to end: ${redisMs(turns).toFixed(3)} ms of its one thread, so it takes ${(1_000 / redisMs(turns)).toFixed(0)} packets/s at most, whatever is in front of it`,
      '',
      ...modelLines({ hop: hopMs(turns) }),
    ],
    missed: copies === 0 ? [] : [`${copies} packets left more than once`],
  };
}

/** All packets through all stages, one after the other. */
async function throughAll(
  { mix, ends, redisPid, receiver, peelers: all, forwarder }: Bench,
  peelers: number,
  count: number,
): Promise<{ receive: Turn; peel: Turn; forward: Turn }> {
  for (const held of [...all, forwarder]) held.hold();
  const messages = Array.from({ length: count }, (_, number) => mix.relay.carriage(number));
  const measured = (processes: readonly StageProcess[], work: () => Promise<number>): Promise<Turn> =>
    measure(
      processes.map(({ pid }) => pid),
      redisPid,
      count,
      work,
    );

  const receive = await measured([receiver], async () => {
    const began = performance.now();
    await ends.send(loadOf({ ...mix.relay, port: mix.port }, messages));
    return performance.now() - began;
  });
  const working = all.slice(0, peelers);
  const peel = await measured(working, async () => {
    const began = performance.now();
    for (const peeler of working) peeler.go();
    await empty(receiver, 'inputs', 'every packet is peeled');
    return performance.now() - began;
  });
  const arrived = ends.arrived(count);
  const forward = await measured([forwarder], async () => {
    const began = performance.now();
    forwarder.go();
    await empty(receiver, 'relays', 'every packet has left');
    const came = await inTime(ends, arrived);
    if ('missing' in came) throw new Error(`${came.missing} of ${count} packets have not arrived`);
    return performance.now() - began;
  });
  return { receive, peel, forward };
}

function empty(receiver: StageProcess, what: 'inputs' | 'relays', sentence: string): Promise<boolean> {
  return until(async () => (await receiver.counts())[what] === 0, {
    what: sentence,
    deadlineMs,
  });
}

/** `work` resolves to how long it took, ms. */
async function measure(
  pids: readonly number[],
  redisPid: number,
  count: number,
  work: () => Promise<number>,
): Promise<Turn> {
  const used = startUsage([redisPid, ...pids]);
  const ms = await work();
  const [redis, ...nodes] = used().map((usage) => perMessage(usage, count)) as [Usage, ...Usage[]];
  const node = {
    total: nodes.reduce((sum, { total }) => sum + total, 0),
    // As if one had done it all: that is when another is due.
    busiest: nodes.reduce((sum, { busiest }) => sum + busiest, 0),
  };
  return { rate: (count * 1_000) / ms, node, redis };
}

function row(name: string, turns: readonly Turn[]): string {
  const of = (value: (turn: Turn) => number): number => median(turns.map(value));
  const rate = of(({ rate }) => rate)
    .toFixed(0)
    .padStart(9);
  const [total, busiest] = [of(({ node }) => node.total), of(({ node }) => node.busiest)];
  const redis = of((turn) => turn.redis.busiest);
  const atWork = `${of((turn) => (turn.redis.busiest * turn.rate) / 10).toFixed(0)} %`;
  const costs = `${total.toFixed(2)} (${busiest.toFixed(2)}), ${redis.toFixed(2)}`;
  return `${name.padEnd(20)} ${rate}   ${costs.padEnd(58)} ${atWork.padEnd(15)} ${(1_000 / busiest).toFixed(0)}, ${(1_000 / redis).toFixed(0)}`;
}

function redisMs(turns: Readonly<Record<StageName, readonly Turn[]>>): number {
  return eachOnce.reduce((sum, name) => sum + median(turns[name].map(({ redis }) => redis.busiest)), 0);
}

/** Of node and Redis, for a packet through all stages. */
function hopMs(turns: Readonly<Record<StageName, readonly Turn[]>>): number {
  return eachOnce.reduce(
    (sum, name) => sum + median(turns[name].map(({ node, redis }) => node.total + redis.total)),
    0,
  );
}
