import { width } from './cascade.ts';
import { type Scene, some } from './scene.ts';
import { stall } from './stalled.ts';
import { startTwin, type Twin } from './twin.ts';

const dayMs = 86_400_000;

/**
 * So many sockets at the first mix, and at the gateway, that begin a session and do not go on, while every note goes to that mix by a new
 * connection, and the last mix has to open its to the gateway anew. How many sessions had begun at each before.
 */
export async function stallSockets({ cascade, author, kill }: Scene, count: number): Promise<number[]> {
  using atMix = await stall(cascade.nodes['first mix'].listen, count);
  using atGateway = await stall(cascade.nodes.gateway.listen, count);
  const begun = [atMix.begun, atGateway.begun];
  await kill(cascade.lastMix);
  await author.connectAnew(async () => {
    // Those that were on their way by then are no more than are handed over at one time.
    const before = cascade.taken + width;
    await author.until('notes are taken', () => cascade.taken >= before + some);
    const taken = cascade.taken;
    await author.until('they arrive', async () => (await cascade.arrived()) >= taken);
  });
  return begun;
}

/** The clock of a mix, and that of the gateway, goes a day ahead, is right again, goes a day behind, and is right again. How many notes were taken. */
export async function setClocksWrong({ cascade, author, shiftClock }: Scene): Promise<number> {
  const first = cascade.taken;
  for (const node of [cascade.nodes['second mix'], cascade.nodes.gateway])
    for (const ms of [dayMs, 0, -dayMs, 0]) {
      const before = cascade.taken;
      await shiftClock(node, ms);
      await author.until(`${some} more notes are taken`, () => cascade.taken >= before + some);
    }
  return cascade.taken - first;
}

/**
 * The same, of nodes that have a clock to compare theirs with, that of Redis: each ends, and does nothing until its clock is right. How often
 * they ended.
 */
export async function refuseWrongClocks({ cascade, author, shiftClock }: Scene): Promise<number> {
  let ends = 0;
  for (const node of [cascade.nodes['second mix'], cascade.nodes.gateway])
    for (const ms of [dayMs, -dayMs]) {
      const { starts } = node.process;
      await shiftClock(node, ms);
      await author.until(`${node.name} has ended`, () => node.process.starts > starts);
      ends += 1;
      await shiftClock(node, 0);
      await author.progress(some);
    }
  return ends;
}

/** What nodes took while their clock was ahead is due when that time has come. */
export async function letTimeCome({ cascade, shiftClock }: Scene): Promise<void> {
  for (const node of cascade.net.members) if (node.role !== 'authority') await shiftClock(node, dayMs);
}

/** How often the mix put hand-overs off, each time that Redis was dead. */
export async function killRedis(
  { author, cascade: { redis }, whilePutOff }: Scene,
  times: number,
): Promise<number[]> {
  const putOff: number[] = [];
  for (let time = 0; time < times; time++) {
    await author.progress(some);
    await redis.kill();
    putOff.push(await whilePutOff(redis.ready));
  }
  return putOff;
}

/** Redis has no more memory than it needs now. */
export async function takeMemory({ cascade: { redis }, whilePutOff }: Scene): Promise<number> {
  const [, used = ''] = /used_memory:(\d+)/.exec(String(await redis.ask('INFO', 'memory'))) ?? [];
  await redis.ask('CONFIG', 'SET', 'maxmemory', used);
  return whilePutOff(() => redis.ask('CONFIG', 'SET', 'maxmemory', '2gb'));
}

/** Redis takes no writes without replicas that it has not. */
export async function demandReplicas({ cascade: { redis }, whilePutOff }: Scene): Promise<number> {
  await redis.ask('CONFIG', 'SET', 'min-replicas-to-write', '1');
  return whilePutOff(() => redis.ask('CONFIG', 'SET', 'min-replicas-to-write', '0'));
}

export async function makeReplica({ cascade: { redis }, whilePutOff }: Scene): Promise<number> {
  await redis.ask('REPLICAOF', '127.0.0.1', '1');
  return whilePutOff(() => redis.ask('REPLICAOF', 'NO', 'ONE'));
}

/** A mix and the gateway have a second process each at their spools, and all four are killed in turn. How many units each second process worked off before. */
export async function shareSpools({ cascade, author, count, kill }: Scene): Promise<number[]> {
  await using opened = new AsyncDisposableStack();
  const pair = [cascade.nodes['second mix'], cascade.nodes.gateway];
  const twins: Twin[] = [];
  for (const node of pair) {
    const twin = opened.use(await startTwin(node));
    opened.use(count(twin));
    twins.push(twin);
  }
  const share = async (): Promise<number[]> => Promise.all(twins.map(({ worked }) => worked()));
  await author.until('each second process has its share', async () =>
    (await share()).every((count) => count >= some),
  );
  const shared = await share();
  for (const each of [...pair, ...twins]) {
    await kill(each);
    await author.progress(some);
  }
  // What a dead one held is freed by whoever starts next: the one in its place.
  for (const { process, worked } of twins)
    await author.until(`${process.name} works again`, async () => (await worked().catch(() => -1)) >= 0);
  return shared;
}
