import { openSpool, type Spool } from '@postern/node';
import { haveRedis, startRedis } from '@postern/node/testing';
import { defaultGeometry as g } from '@postern/protocol/packet';
import { systemRandom } from '@postern/protocol/primitives';
import { silentLog, systemClock } from '@postern/runtime';
import type { Benchmark } from './benchmark.ts';
import { ifInterrupted, temporaryFolder } from './interrupted.ts';
import { disk, machine, median } from './measure.ts';

/** What a node has under way at one time: carriages that come in, claims of a peeler, claims of a forwarder. */
const incoming = 32;
const claimed = 32;
const rounds = 3;

export const spoolBenchmark: Benchmark = {
  summary: 'packets a second through a spool, from accept to finish, in SQLite and in Redis',
  gates: [],
  needs: 'redis-server for the second half; seconds',
  runs: 3_000,
  run,
};

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const place = disk();
  await using opened = new AsyncDisposableStack();
  const folder = await temporaryFolder(opened, 'postern-spool-');
  const sockets: Record<string, string | undefined> = { SQLite: undefined };
  if (haveRedis) {
    const redis = opened.use(await startRedis(folder));
    opened.use(ifInterrupted(() => void redis.kill()));
    sockets.Redis = redis.socket;
  }
  const times = new Map(Object.keys(sockets).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++)
    for (const [name, socket] of Object.entries(sockets)) {
      const count = round === 0 ? Math.ceil(runs / 5) : runs;
      const ms = await measure(await open(folder, socket), count);
      if (round > 0) times.get(name)?.push(ms);
    }
  return {
    lines: [
      machine(),
      `method: ${rounds} rounds, after one to warm up; in each ${runs} packets of ${g.packetBytes} bytes through each spool in turn, in one process: accept (${incoming} at a time), claim, settle as a`,
      `relay due at once, give back, claim (${claimed} at a time), read, finish; from the first accept until the last finish would survive a loss of power (sync), in ${place}; Redis by a socket.`,
      'SQLite syncs each accept before it resolves, those under way together at once; settle and finish are synced with the next of these, or within a second. Redis syncs its',
      'append-only file before it answers any command (appendfsync always), those that come together at once.',
      '',
      ...[...times].map(([name, each]) => row(name, runs, each)),
      ...(haveRedis ? [] : ['Redis      not measured: there is no redis-server']),
    ],
    missed: [],
  };
}

function row(name: string, runs: number, times: readonly number[]): string {
  const rate = (ms: number): string => ((runs / ms) * 1_000).toFixed(0);
  return `${name.padEnd(10)} ${rate(median(times)).padStart(6)} packets/s, median of the rounds (${times.map(rate).join(' ')})`;
}

/** Milliseconds that so many packets took. Closes the spool. */
async function measure(spool: Spool, runs: number): Promise<number> {
  await using _ = spool;
  const bytes = systemRandom.bytes(g.packetBytes);
  const relay = { next: { kind: 'domain', domain: 'b.test' }, dueMs: 0, expiresMs: 4e12, bytes } as const;
  let accepted = 0;
  let settled = 0;
  let finished = 0;
  const accept = async (): Promise<void> => {
    while (accepted < runs) {
      accepted++;
      await spool.accept({ kind: 'packet', bytes });
    }
  };
  const peel = async (): Promise<void> => {
    while (settled < runs) {
      const inputs = await spool.claimInputs('packet', claimed);
      const verdicts = inputs.map(({ id }) => {
        const replayTag = systemRandom.bytes(32);
        return spool.settle(id, { kind: 'relay', epoch: 1, replayTag, relay });
      });
      const waiting = (await Promise.all(verdicts)).flatMap((one) =>
        one.kind === 'waiting' ? [one.waiting.id] : [],
      );
      await spool.relays.release(waiting);
      settled += inputs.length;
    }
  };
  const forward = async (): Promise<void> => {
    while (finished < runs) {
      const relays = await spool.relays.claim(claimed);
      await Promise.all(
        relays.map(async ({ id }) => {
          await spool.relays.read(id);
          await spool.relays.finish(id);
        }),
      );
      finished += relays.length;
    }
  };
  const start = performance.now();
  await Promise.all([...Array.from({ length: incoming }, accept), peel(), forward()]);
  await spool.sync();
  return performance.now() - start;
}

/** The spool of a node in `folder`, or in the Redis behind a socket. */
function open(folder: string, socket?: string): Promise<Spool> {
  const redis = socket === undefined ? {} : { redis: { address: { path: socket }, vouched: false } };
  return openSpool(
    { dataDir: folder, name: 'bench.test', spool: { maxBytes: 5e8, reserveBytes: 1e7, ...redis } },
    {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      unitBytes: g.packetBytes,
      nodeId: 'ab'.repeat(32),
    },
  );
}
