import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSpool, type Spool } from '@postern/node';
import { defaultGeometry as g } from '@postern/protocol/packet';
import { systemRandom } from '@postern/protocol/primitives';
import { silentLog, systemClock } from '@postern/runtime';
import { haveRedis, startRedis } from '../redis.ts';
import type { Benchmark } from './benchmark.ts';
import { ifInterrupted } from './interrupted.ts';
import { disk, machine } from './measure.ts';

/** What a node has under way at one time: carriages that come in, claims of a peeler, claims of a forwarder. */
const incoming = 32;
const claimed = 32;

export const spoolBenchmark: Benchmark = {
  summary: 'packets a second through a spool, from accept to finish, in SQLite and in Redis',
  gates: [],
  needs: 'redis-server for the second half; seconds',
  runs: 3_000,
  run,
};

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const place = disk();
  const folder = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  using _interrupted = ifInterrupted(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const sqlite = await measure(await open(folder), runs);
    const redis = await inRedis(folder, runs);
    return {
      lines: [
        machine(),
        `method: ${runs} packets of ${g.packetBytes} bytes in one process: accept (${incoming} at a time), claim, settle as a relay due at once, give back,`,
        `claim (${claimed} at a time), read, finish; from the first accept until the last finish would survive a loss of power (sync), in ${place}; SQLite first, then Redis by a socket.`,
        'SQLite syncs each accept before it resolves, those under way together at once; settle and finish are synced with the next of these, or within a second. Redis syncs its',
        'append-only file before it answers any command (appendfsync always), those that come together at once.',
        '',
        row('SQLite', runs, sqlite),
        redis === undefined ? 'Redis      not measured: there is no redis-server' : row('Redis', runs, redis),
      ],
      missed: [],
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function row(name: string, runs: number, ms: number): string {
  return `${name.padEnd(10)} ${((runs / ms) * 1_000).toFixed(0).padStart(6)} packets/s   ${(ms / 1_000).toFixed(2)} s`;
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

/** Nothing where there is no Redis. */
async function inRedis(folder: string, runs: number): Promise<number | undefined> {
  if (!haveRedis) return undefined;
  await using redis = await startRedis(folder);
  using _interrupted = ifInterrupted(() => redis.kill());
  return await measure(await open(folder, redis.socket), runs);
}
