import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { createIdentity } from '../../interop/debian.ts';
import type { Benchmark } from '../benchmark.ts';
import { temporaryFolder } from '../interrupted.ts';
import { disk, machine } from '../measure.ts';
import { modelLines } from '../scale/model.ts';
import { perMessage, startUsage, type Usage, usedSoFar } from '../usage.ts';
import { type Ends, startEnds } from './ends.ts';
import { startPostern } from './postern.ts';
import { startPostfix } from './postfix.ts';
import type { Relay } from './relay.ts';
import { comesToRest } from './rest.ts';
import type { Load } from './source.ts';

const leastRatio = 3;
const mostMedianMs = 10;
const mostP99Ms = 50;
const rounds = 5;
/** To the relay, and from it to the sink. */
const connections = 4;

export const hopBenchmark: Benchmark = {
  summary: 'messages a second through a mix, and through a Postfix that only relays, side by side',
  gates: [
    `at least ${leastRatio} times the rate of the faster Postfix`,
    `at half of its own rate, added latency median at most ${mostMedianMs} ms, p99 at most ${mostP99Ms} ms`,
  ],
  needs: 'Debian’s postfix, root, a temporary folder on a disk; six minutes',
  runs: 1_000,
  run,
};

interface Turn {
  /** Messages a second, from the first one begun to the last one arrived. */
  readonly rate: number;
  /** Processor time for one message, ms, of the relay and both ends, until the relay is at rest. */
  readonly cpuMs: number;
  /** Messages that came more than once. */
  readonly copies: number;
}

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const place = disk();
  await using opened = new AsyncDisposableStack();
  const folder = await temporaryFolder(opened, 'postern-hop-tls-');
  const tls = createIdentity('sink.test');
  const paths = { key: join(folder, 'key'), cert: join(folder, 'cert') };
  await writeFile(paths.key, tls.key, { mode: 0o600 });
  await writeFile(paths.cert, tls.cert);
  const ends = opened.use(await startEnds());
  const sinkPort = await ends.listen(tls);

  const postfix = { sinkPort, tls: paths, connections };
  const postern = opened.use(await startPostern({ port: sinkPort, pin: spkiPin(tls.cert) }));
  const relays: Record<string, Relay> = {
    Postern: postern,
    Postfix: opened.use(await startPostfix({ ...postfix, reuse: false })),
    'Postfix, reusing': opened.use(await startPostfix({ ...postfix, reuse: true })),
  };
  const turns: Record<string, Turn[]> = mapValues(relays, () => []);
  const own: Usage[] = [];
  for (let round = 0; round <= rounds; round++) {
    for (const [name, relay] of Object.entries(relays)) {
      const count = round === 0 ? Math.ceil(runs / 5) : runs;
      const used = startUsage([postern.pid]);
      const turn = await throughput(ends, relay, count);
      if (round > 0 && relay === postern) own.push(...used().map((usage) => perMessage(usage, count)));
      process.stderr.write(`${name}, round ${round} of ${rounds}: ${turn.rate.toFixed(0)} messages/s\n`);
      if (round > 0) turns[name]?.push(turn);
    }
  }
  const rates = mapValues(turns, (each) => median(each.map(({ rate }) => rate)));
  const latencies: Record<string, Float64Array> = {};
  for (const [name, relay] of Object.entries(relays))
    latencies[name] = await latency(ends, relay, (rates[name] ?? 0) / 2, runs * 2);

  const { Postern: ours = [], ...others } = turns;
  const ratios = ours.map(
    ({ rate }, round) => rate / Math.max(...Object.values(others).map((each) => each[round]?.rate ?? 0)),
  );
  const ratio = median(ratios);
  const copies = Object.values(turns)
    .flat()
    .reduce((sum, turn) => sum + turn.copies, 0);
  const ownMs = median(own.map(({ total }) => total));
  const [p50, p99] = [0.5, 0.99].map((q) => quantile(latencies.Postern ?? new Float64Array(), q)) as [
    number,
    number,
  ];
  return {
    lines: [
      machine(),
      `method: ${rounds} rounds, in each ${runs} messages of 45 KB through each relay in turn, after one to warm up; ${connections} connections in and out, TLS 1.3 on both,`,
      'one message at a time on each; source and sink are the same two processes for all, on the same machine. Rates count from the first message begun to the last one',
      'arrived, of different ones; processor time until the relay is at rest, which is waited for after each turn. Both relays sync every message to disk before they answer,',
      `in ${place}. A mix also takes a post-quantum layer off; its packets ask for no delay.`,
      '',
      ...Object.entries(turns).map(([name, each]) => row(name, each, latencies[name] ?? new Float64Array())),
      '',
      `ratio to the faster Postfix, median of the rounds: ${ratio.toFixed(2)} (${ratios.map((one) => one.toFixed(2)).join(' ')})`,
      ...(copies > 0 ? [`${copies} messages arrived more than once`] : []),
      '',
      `the mix alone takes ${ownMs.toFixed(2)} ms of processor a message, ${median(own.map(({ busiest }) => busiest)).toFixed(2)} of them in its busiest thread`,
      ...modelLines({ hop: ownMs }),
    ],
    missed: [
      ...(ratio < leastRatio ? [`only ${ratio.toFixed(2)} times the rate of Postfix`] : []),
      ...(p50 > mostMedianMs ? [`median latency ${p50.toFixed(1)} ms is over ${mostMedianMs} ms`] : []),
      ...(p99 > mostP99Ms ? [`p99 of latency ${p99.toFixed(1)} ms is over ${mostP99Ms} ms`] : []),
    ],
  };
}

async function throughput(ends: Ends, relay: Relay, count: number): Promise<Turn> {
  const messages = Array.from({ length: count }, (_, number) => relay.carriage(number));
  const arrived = ends.arrived(count);
  const busyMs = (): number => usedSoFar([...ends.pids, ...relay.pids()]);
  const before = busyMs();
  const { beganMs } = await ends.send(loadOf(relay, messages));
  const { count: came, lastMs } = await arrived;
  await comesToRest(relay);
  return {
    rate: (count * 1_000) / (lastMs - beganMs),
    cpuMs: (busyMs() - before) / count,
    copies: came - count,
  };
}

/** From the last octet of each message at the source to its last octet at the sink, ms, ascending. */
async function latency(ends: Ends, relay: Relay, rate: number, count: number): Promise<Float64Array> {
  const messages = Array.from({ length: count }, (_, number) => relay.carriage(number));
  const arrived = ends.arrived(count, 'messages');
  const { atMs } = await ends.send({ ...loadOf(relay, messages), rate });
  const { kept } = await arrived;
  await comesToRest(relay);
  const times = kept.map(({ atMs: arrivedMs, message }) => {
    const number = relay.numberIn(Buffer.from(message));
    if (number === undefined) throw new Error('what arrived is none of the messages that were sent');
    return arrivedMs - (atMs[number] ?? Number.NaN);
  });
  return Float64Array.from(times).sort();
}

export function loadOf({ port, from, to }: Pick<Relay, 'port' | 'from' | 'to'>, messages: Buffer[]): Load {
  // No line of a carriage begins with a dot.
  const framed = messages.map((message) => Buffer.concat([message, endOfData]));
  return { port, from, to, messages: framed, connections };
}

const endOfData = Buffer.from('.\r\n');

function row(name: string, turns: readonly Turn[], latencies: Float64Array): string {
  const rate = median(turns.map((turn) => turn.rate)).toFixed(0);
  const cpu = median(turns.map(({ cpuMs }) => cpuMs)).toFixed(2);
  const [p50, p99] = [0.5, 0.99].map((q) => quantile(latencies, q).toFixed(1));
  return `${name.padEnd(18)} ${rate.padStart(5)} messages/s   ${cpu} ms of processor a message, ends included   at half of that rate +${p50} ms median, +${p99} ms p99`;
}

function mapValues<A, B>(values: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}

function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

function quantile(ascending: Float64Array, q: number): number {
  return ascending[Math.floor(q * (ascending.length - 1))] ?? Number.NaN;
}
