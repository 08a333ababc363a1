import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDirectoryClient,
  type DirectoryClient,
  DirectoryError,
  type Heard,
  type VerifiedConsensus,
} from '@postern/directory/client';
import { formatTold } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { testAuthority } from '@postern/protocol/testing';
import { silentLog } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createBell } from '../src/bell.ts';
import { createMeet } from '../src/meet.ts';
import { follow } from '../src/register/follow.ts';
import { createTopology } from '../src/topology.ts';
import { consensusOf } from './peers.ts';
import { fakeClock, seeded, until } from './support.ts';

const peer = { host: 'mix1.test', port: 25, tlsPin: 'ab'.repeat(32) };

test('a directory that has no consensus is asked soon again at first, and then less and less often', async () => {
  const clock = fakeClock(Date.UTC(2033, 1, 2));
  const asked: number[] = [];
  const server = createServer((_request, response) => {
    asked.push(clock.now());
    response.writeHead(503).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const cacheDir = await mkdtemp(join(tmpdir(), 'postern-follow-'));
  onTestFinished(() => rm(cacheDir, { recursive: true }));

  const { port } = server.address() as AddressInfo;
  const random = seeded('follow');
  const loop = follow({
    clock,
    random,
    log: silentLog,
    directory: createDirectoryClient({
      urls: [`http://127.0.0.1:${port}`],
      authorities: [testAuthority('authority.test').vkey],
      threshold: 1,
      cacheDir,
      clock,
      random,
    }),
    topology: createTopology(clock),
    network: { geometry: defaultGeometry, epochSeconds: 3_600 },
    forked: createBell(),
    onConsensus: () => undefined,
  });
  await until(async () => {
    await clock.advance(asked.length < 7 ? 250 : 2_000);
    return asked.length >= 20;
  });
  const { code, why, sinceMs = 0 } = loop.trouble() ?? {};
  expect(code).toBe('no-consensus');
  expect(why).toMatch(
    /^there is no consensus to use, and none was given since 2033-02-02T.*: http.*: has no consensus yet$/,
  );
  // since the first answer: before the second question
  expect(sinceMs).toBeGreaterThanOrEqual(asked[0] ?? 0);
  expect(sinceMs).toBeLessThanOrEqual(asked[1] ?? 0);
  await loop.stop();
  const gaps = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
  const last = gaps.at(-1) ?? 0;
  expect(last).toBeGreaterThan(20_000);
  expect(Math.min(...gaps.slice(0, 5))).toBeLessThan(last / 4);
});

test('a clock that is set back is noticed within a minute, and named, until it is right again', async () => {
  const startMs = Date.UTC(2033, 1, 2);
  const clock = fakeClock(startMs);
  const consensus = consensusOf([], startMs);
  const topology = createTopology(clock);
  const directory = {
    renew: async () => {
      if (clock.now() < startMs) throw new DirectoryError('clock', 'the clock here is 1 d behind');
      return consensus;
    },
    renewAt: () => startMs + 3_000_000,
    recent: () => [],
  } as Partial<DirectoryClient> as DirectoryClient;
  const warned: unknown[] = [];
  const loop = follow({
    clock,
    random: seeded('set back'),
    log: { ...silentLog, warn: (_, fields) => void warned.push(fields) },
    directory,
    topology,
    network: { geometry: defaultGeometry, epochSeconds: 3_600 },
    forked: createBell(),
    onConsensus: () => undefined,
  });
  onTestFinished(() => loop.stop());
  await until(() => clock.waiting === 1);
  clock.set(startMs - 86_400_000);
  expect(topology.valid()).toBeUndefined();
  await clock.advance(60_000);
  await until(() => loop.trouble() !== undefined);
  expect(loop.trouble()).toMatchObject({ code: 'clock', sinceMs: startMs - 86_400_000 + 60_000 });
  expect(warned).toMatchObject([{ code: 'clock' }]);
  clock.set(startMs + 120_000);
  await until(async () => {
    await clock.advance(1_000);
    return loop.trouble() === undefined;
  });
  expect(topology.valid()).toBe(consensus);
});

test('a fork that was heard of stops the node for good, though the directory was being asked, and its status says why', async () => {
  const clock = fakeClock(Date.UTC(2033, 1, 2));
  const consensus = consensusOf([], clock.now());
  const topology = createTopology(clock);
  const forked = createBell();
  const hearing = Promise.withResolvers<Heard>();
  const answers: PromiseWithResolvers<VerifiedConsensus>[] = [];
  const directory = {
    renew() {
      const answer = Promise.withResolvers<VerifiedConsensus>();
      answers.push(answer);
      return answer.promise;
    },
    hear: () => hearing.promise,
    renewAt: () => clock.now() + 3_600_000,
    recent: () => [],
  } as Partial<DirectoryClient> as DirectoryClient;
  const network = { geometry: defaultGeometry, epochSeconds: 3_600 };
  const log = silentLog;
  const random = seeded('fork');
  const loop = follow({
    clock,
    random,
    log,
    directory,
    topology,
    network,
    forked,
    onConsensus: () => undefined,
  });
  onTestFinished(() => loop.stop());
  const meet = createMeet({ directory, topology, log, onFork: forked.ring });
  await meet(peer, [formatTold({ epoch: 7, digest: 'cd'.repeat(32) })]);

  // what was asked before comes after what was heard
  hearing.resolve('fork');
  answers[0]?.resolve(consensus);
  await until(() => answers.length === 2);
  answers[1]?.reject(new DirectoryError('fork', 'the proof lies in fork'));
  await until(() => loop.trouble() !== undefined);
  expect(loop.trouble()).toEqual({ code: 'fork', why: 'the proof lies in fork', sinceMs: clock.now() });
  expect(topology.valid()).toBeUndefined();
});
