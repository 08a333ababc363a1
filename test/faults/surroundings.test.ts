import { defaultSmtpLimits } from '@postern/mail';
import { haveRedis } from '@postern/node/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { machine } from '../machine.ts';
import { openScene, type Scene, some } from './scene.ts';
import {
  demandReplicas,
  killRedis,
  letTimeCome,
  makeReplica,
  refuseWrongClocks,
  setClocksWrong,
  shareSpools,
  stallSockets,
  takeMemory,
} from './surroundings.ts';

/** Sessions that a node has at one time. */
const places = defaultSmtpLimits.maxConnections;
let scene: Scene;

/** What was wrong in the end. */
async function end(store: string): Promise<readonly string[]> {
  const { figure, wrong } = await scene.end();
  process.stdout.write(`${figure} (${store}, whatever went wrong around its nodes; ${machine()})\n`);
  return wrong;
}

describe('what goes wrong around nodes with spools in SQLite', () => {
  beforeAll(async () => {
    scene = await openScene('SQLite');
    return () => scene[Symbol.asyncDispose]();
  });

  test('more stalled sockets than a mix has places, and as many at the gateway, keep nobody out', async () => {
    expect(Math.min(...(await stallSockets(scene, places + 100)))).toBeGreaterThanOrEqual(places);
  });

  test('clocks that are a day ahead, right again, a day behind, and right again keep nobody out', async () => {
    expect(await setClocksWrong(scene)).toBeGreaterThanOrEqual(8 * some);
  });

  test('all of it has arrived, once', async () => {
    await letTimeCome(scene);
    expect(await end('SQLite')).toEqual([]);
  });
});

describe.skipIf(!haveRedis)('what goes wrong around nodes with spools in Redis', () => {
  beforeAll(async () => {
    scene = await openScene('Redis');
    return () => scene[Symbol.asyncDispose]();
  });

  test('more stalled sockets than a mix has places, and as many at the gateway, keep nobody out', async () => {
    expect(Math.min(...(await stallSockets(scene, places + 100)))).toBeGreaterThanOrEqual(places);
  });

  test('a node whose clock is a day ahead, or behind, ends and is there again once it is right', async () => {
    expect(await refuseWrongClocks(scene)).toBe(4);
  });

  test('Redis is killed again and again', async () => {
    expect(Math.min(...(await killRedis(scene, 3)))).toBeGreaterThanOrEqual(some);
  });

  test('Redis has no memory left', async () => {
    expect(await takeMemory(scene)).toBeGreaterThanOrEqual(some);
  });

  test('Redis takes no writes, as it lacks the replicas that it is to have', async () => {
    expect(await demandReplicas(scene)).toBeGreaterThanOrEqual(some);
  });

  test('Redis is made a replica', async () => {
    expect(await makeReplica(scene)).toBeGreaterThanOrEqual(some);
  });

  test('two processes at one spool share the work, and all are killed', async () => {
    expect(Math.min(...(await shareSpools(scene)))).toBeGreaterThanOrEqual(some);
  });

  test('all of it has arrived, once', async () => {
    expect(await end('Redis')).toEqual([]);
  });
});
