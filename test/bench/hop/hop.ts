import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { createIdentity } from '../../interop/debian.ts';
import type { Benchmark } from '../benchmark.ts';
import { temporaryFolder } from '../interrupted.ts';
import { disk, machine, median, quantile } from '../measure.ts';
import { acknowledgeAtOnce } from '../own-network.ts';
import { modelLines } from '../scale/model.ts';
import { perMessage, startUsage, type Usage, usedSoFar } from '../usage.ts';
import { type Ends, startEnds } from './ends.ts';
import { allInTime } from './in-time.ts';
import { startPostern } from './postern.ts';
import { postfix, startPostfix } from './postfix.ts';
import type { Relay } from './relay.ts';
import { comesToRest } from './rest.ts';
import type { Load } from './source.ts';

const leastRatio = 3;
const mostMedianMs = 10;
const mostP99Ms = 50;
const rounds = 5;
/** To the relay, and from it to the sink. */
const connections = 4;
/** Postfixes with as many. */
const alike = ['Postfix', 'Postfix, reusing'];

export const hopBenchmark: Benchmark = {
  summary: 'messages a second through a mix, and through Postfixes that only relay, side by side',
  gates: [
    `at least ${leastRatio} times the rate of the faster Postfix with as many connections`,
    `at half of its own rate, added latency median at most ${mostMedianMs} ms, p99 at most ${mostP99Ms} ms`,
  ],
  needs: 'Debian’s postfix, root, a temporary folder on a disk; ten minutes',
  lacks: () => (existsSync(postfix) ? undefined : 'postfix'),
  runs: 1_000,
  ownNetwork: true,
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

type Turns = Readonly<Record<string, readonly Turn[]>>;

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

  const postfix = { sinkPort, tls: paths };
  const postern = opened.use(await startPostern({ port: sinkPort, pin: spkiPin(tls.cert) }));
  const relays: Record<string, Relay> = {
    Postern: postern,
    Postfix: opened.use(await startPostfix({ ...postfix, connections, reuse: false })),
    'Postfix, 20 out': opened.use(await startPostfix({ ...postfix, reuse: false })),
    'Postfix, reusing': opened.use(await startPostfix({ ...postfix, connections, reuse: true })),
  };
  const own: Usage[] = [];
  const takeTurns = async (network: string): Promise<Turns> => {
    const turns: Record<string, Turn[]> = mapValues(relays, () => []);
    for (let round = 0; round <= rounds; round++) {
      for (const [name, relay] of Object.entries(relays)) {
        const count = round === 0 ? Math.ceil(runs / 5) : runs;
        const used = startUsage([postern.pid]);
        const turn = await throughput(ends, relay, count);
        if (round > 0 && relay === postern) own.push(...used().map((usage) => perMessage(usage, count)));
        const rate = `${turn.rate.toFixed(0)} messages/s`;
        process.stderr.write(`${network}, ${name}, round ${round} of ${rounds}: ${rate}\n`);
        if (round > 0) turns[name]?.push(turn);
      }
    }
    return turns;
  };
  const turns = await takeTurns('ACKs delayed');
  const latencies: Record<string, Float64Array> = {};
  let halfLoaded: Usage[] = [];
  for (const [name, relay] of Object.entries(relays)) {
    const used = startUsage([postern.pid]);
    latencies[name] = await latency(ends, relay, rateOf(turns, name) / 2, runs * 2);
    if (relay === postern) halfLoaded = used().map((usage) => perMessage(usage, runs * 2));
  }
  acknowledgeAtOnce();
  const prompt = await takeTurns('ACKs at once');

  const ratio = median(ratios(turns, alike));
  const copies = [turns, prompt]
    .flatMap((each) => Object.values(each).flat())
    .reduce((sum, turn) => sum + turn.copies, 0);
  const ownMs = median(own.map(({ total }) => total));
  const halfMs = halfLoaded.reduce((sum, { total }) => sum + total, 0);
  const [p50, p99] = [0.5, 0.99].map((q) => quantile(latencies.Postern ?? new Float64Array(), q)) as [
    number,
    number,
  ];
  return {
    lines: [
      machine(),
      `method: ${rounds} rounds, in each ${runs} messages of 45 KB through each relay in turn, after one to warm up; ${connections} connections in and out, TLS 1.3 on both,`,
      'one message at a time on each; source and sink are the same two processes for all, on the same machine, in a network with segments of 1,500 octets. Rates count from the first message begun to',
      'the last one arrived, of different ones; processor time until the relay is at rest, which is waited for after each turn; latency from when a message was due at the source to its last octet at the sink.',
      `Both relays sync every message to disk before they answer, in ${place}. A mix also takes a post-quantum layer off; its packets ask for no delay.`,
      '',
      'ACKs delayed, as they are: a Postfix that makes a connection for each message waits 40 ms in its TLS handshake for one',
      ...Object.keys(relays).map((name) => row(name, turns) + latencyOf(latencies[name])),
      ...ratioLines(turns),
      '',
      'ACKs at once, so that nobody waits for one',
      ...Object.keys(relays).map((name) => row(name, prompt)),
      ...ratioLines(prompt),
      '',
      ...(copies > 0 ? [`${copies} messages arrived more than once`] : []),
      `the mix alone takes ${ownMs.toFixed(2)} ms of processor a message, ${median(own.map(({ busiest }) => busiest)).toFixed(2)} of them in its busiest thread; at half of its rate ${halfMs.toFixed(2)} ms`,
      ...modelLines({ hop: halfMs }),
    ],
    missed: [
      ...(ratio < leastRatio
        ? [`only ${ratio.toFixed(2)} times the rate of the faster Postfix with as many connections`]
        : []),
      ...(p50 > mostMedianMs ? [`median latency ${p50.toFixed(1)} ms is over ${mostMedianMs} ms`] : []),
      ...(p99 > mostP99Ms ? [`p99 of latency ${p99.toFixed(1)} ms is over ${mostP99Ms} ms`] : []),
    ],
  };
}

/** Of each round, to the fastest of some. */
function ratios(turns: Turns, to: readonly string[]): number[] {
  return (turns.Postern ?? []).map(
    ({ rate }, round) => rate / Math.max(...to.map((name) => turns[name]?.[round]?.rate ?? 0)),
  );
}

function ratioLines(turns: Turns): string[] {
  const line = (what: string, to: readonly string[]): string => {
    const each = ratios(turns, to);
    return `ratio to ${what}, median of the rounds: ${median(each).toFixed(2)} (${each.map((one) => one.toFixed(2)).join(' ')})`;
  };
  const rivals = Object.keys(turns).filter((name) => name !== 'Postern');
  return [
    line('Postfix as it comes, with as many connections', ['Postfix']),
    line('the faster Postfix with as many connections', alike),
    line('the fastest Postfix', rivals),
  ];
}

function rateOf(turns: Turns, name: string): number {
  return median((turns[name] ?? []).map(({ rate }) => rate));
}

async function throughput(ends: Ends, relay: Relay, count: number): Promise<Turn> {
  const messages = Array.from({ length: count }, (_, number) => relay.carriage(number));
  const arrived = ends.arrived(count);
  const busyMs = (): number => usedSoFar([...ends.pids, ...relay.pids()]);
  const before = busyMs();
  const [{ beganMs }, { count: came, lastMs }] = await Promise.all([
    ends.send(loadOf(relay, messages)),
    allInTime(ends, arrived, count),
  ]);
  await comesToRest(relay);
  return {
    rate: (count * 1_000) / (lastMs - beganMs),
    cpuMs: (busyMs() - before) / count,
    copies: came - count,
  };
}

/** From when each message was due at the source to its last octet at the sink, ms, ascending. */
async function latency(ends: Ends, relay: Relay, rate: number, count: number): Promise<Float64Array> {
  const messages = Array.from({ length: count }, (_, number) => relay.carriage(number));
  const arrived = ends.arrived(count, 'messages');
  const [{ atMs }, { kept }] = await Promise.all([
    ends.send({ ...loadOf(relay, messages), rate }),
    allInTime(ends, arrived, count),
  ]);
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

function row(name: string, turns: Turns): string {
  const cpu = median((turns[name] ?? []).map(({ cpuMs }) => cpuMs)).toFixed(2);
  const rate = rateOf(turns, name).toFixed(0).padStart(5);
  return `${name.padEnd(18)} ${rate} messages/s   ${cpu} ms of processor a message, ends included`;
}

function latencyOf(ascending: Float64Array = new Float64Array()): string {
  const [p50, p99] = [0.5, 0.99].map((q) => quantile(ascending, q).toFixed(1));
  return `   at half of that rate +${p50} ms median, +${p99} ms p99`;
}

function mapValues<A, B>(values: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}
