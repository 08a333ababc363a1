import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { formatEndpoint, readControl, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NodeConfig, type NodeStatus, startNode } from '../src/index.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { type Started, startCommand } from './command.ts';
import { startNetwork, type TestNetwork } from './network.ts';
import { message, seeded, until } from './support.ts';

const random = seeded('one node, several processes');
const mix = 'mix1.test';

/** A process of the mix, with a data directory of its own. */
interface Process extends Started {
  readonly dataDir: string;
  status(): Promise<NodeStatus>;
  kill(signal: NodeJS.Signals): void;
}

describe.skipIf(!haveRedis)('one node as several processes over one Redis', () => {
  let redis: RedisServer;
  let network: TestNetwork;
  const processes: Process[] = [];
  const closing = new AsyncDisposableStack();

  beforeAll(async () => {
    redis = await startRedis(await mkdtemp(join(tmpdir(), 'postern-only-')));
    closing.defer(() => redis.stop());
    network = await startNetwork({
      mixes: 1,
      hops: 1,
      spool: { store: 'redis', max_size: '100MB', redis: { url: `unix:${redis.socket}` } },
    });
    closing.use(network);
    closing.defer(async () => {
      for (const one of processes) one.kill('SIGKILL');
      await Promise.all(processes.map(({ ended }) => ended));
    });
    await mkdir(join(network.folder, 'bin'));
    const notify = '#!/bin/sh\necho "$1" >> "$NOTIFY_SOCKET"\n';
    await writeFile(join(network.folder, 'bin', 'systemd-notify'), notify, { mode: 0o755 });
    // From here on neither is one process.
    await Promise.all([...network.nodes.values()].map((node) => node.close()));
    const gate = network.configs.get('gate.b.test') as NodeConfig;
    for (const stage of ['receive', 'unwrap', 'forward'] as const) {
      const dataDir = `${gate.dataDir}-${stage}`;
      await cp(gate.dataDir, dataDir, { recursive: true });
      const deps = { clock: systemClock, random: systemRandom, log: silentLog, stages: [stage] };
      const node = await startNode({ ...gate, dataDir }, deps);
      closing.use(node);
      await node.ready;
    }
  });
  afterAll(() => closing.disposeAsync());

  /** A process of the mix on a copy of a data directory of it, which `change` may alter before. */
  async function start(
    only: string,
    from: string,
    change: (dataDir: string) => Promise<void> = async () => undefined,
  ): Promise<Process> {
    const { smtp, directory } = network.configs.get(mix) as NodeConfig;
    const name = `${only.replaceAll(',', '-')}-${processes.length}`;
    const dataDir = join(network.folder, name);
    await cp(from, dataDir, { recursive: true, filter: (path) => !path.endsWith('.sock') });
    await change(dataDir);
    const text = `name = "${mix}"
roles = ["mix"]
data_dir = "${name}"
smtp = { listen = "${formatEndpoint(smtp.listen)}", advertise = "${formatEndpoint(smtp.advertise)}" }
directory = { urls = ${JSON.stringify(directory.urls)}, authorities = ${JSON.stringify(directory.authorities)} }
dns = { resolver = "none" }
spool = { store = "redis", max_size = "100MB", redis = { url = "unix:${redis.socket}" } }
`;
    await writeFile(join(network.folder, `${name}.toml`), text);
    const args = ['run', '--config', `${name}.toml`, '--only', only];
    const started = startCommand(network.folder, args, watched(name));
    const process: Process = {
      ...started,
      dataDir,
      status: async () =>
        JSON.parse(await readControl(join(dataDir, 'control.sock'), '/status')) as NodeStatus,
      kill: (signal) => void started.child.kill(signal),
    };
    processes.push(process);
    return process;
  }

  /** What a process has from systemd, with a watchdog that wants to hear of it each second; what it says is written down. */
  const watched = (name: string): Record<string, string> => ({
    PATH: `${network.folder}/bin:${process.env.PATH}`,
    NOTIFY_SOCKET: join(network.folder, `${name}.told`),
    WATCHDOG_USEC: '4000000',
  });
  const beats = async ({ dataDir }: Process): Promise<number> =>
    (await readFile(`${dataDir}.told`, 'utf8')).split('WATCHDOG=1').length - 1;

  /** The same, once it runs and is listed. */
  async function run(only: string, from: string): Promise<Process> {
    const process = await start(only, from);
    await until(async () => {
      if (process.child.exitCode !== null) throw new Error(process.err());
      return (await process.status().catch(() => undefined))?.consensus?.listed === true;
    });
    return process;
  }

  const first = (): string => (network.configs.get(mix) as NodeConfig).dataDir;
  const sent: Uint8Array[] = [];

  /** Hands messages over, and again what got no 250. */
  async function send(count: number): Promise<void> {
    const messages = Array.from({ length: count }, () => message(random, 500));
    sent.push(...messages);
    let left = (await Promise.all(messages.map((one) => network.packets(one)))).flat();
    while (left.length > 0) {
      const results = await Promise.all(left.map((one) => network.handOver(one.first, one.packet)));
      left = left.filter((_, at) => results[at]?.kind !== 'sent');
    }
  }

  const sorted = (all: readonly Uint8Array[]): string[] =>
    all.map((one) => Buffer.from(one).toString('hex')).sort();

  async function allHaveCome(): Promise<void> {
    await until(async () => (await network.mailbox('bob')).length >= sent.length);
    expect(sorted(await network.mailbox('bob'))).toEqual(sorted(sent));
  }

  /** Packets that were taken off the queue, and have become nothing yet. */
  async function inHand(): Promise<number> {
    const keys = (await redis.ask('KEYS', `{postern:${mix}}:held:*`)) as string[];
    const held = await Promise.all(keys.map((key) => redis.ask('SMEMBERS', key) as Promise<string[]>));
    return held.flat().filter((row) => row.startsWith('packet:')).length;
  }

  test('what one process takes another peels and a third hands over; one that dies or is added costs nothing', async () => {
    const receiver = await run('receive', first());
    const forwarder = await run('forward', first());
    await send(40);
    const waiting = (await receiver.status()).counts;
    expect(waiting).toMatchObject({ inputs: 40, relays: 0 });

    const peeler = await run('peel', first());
    expect((await receiver.status()).stages).toEqual(['receive']);
    expect((await peeler.status()).smtp).toBeNull();
    // Its directory is a copy with everything.
    expect((await receiver.status()).unusedMixKeys).toBe('others-peel');
    expect((await peeler.status()).unusedMixKeys).toBeNull();
    await allHaveCome();
    const peeled = async (process: Process): Promise<number> =>
      (await process.status()).counters.peeled.exit ?? 0;
    const alone = await peeled(peeler);
    expect(alone).toBe(40);

    // Another one takes part from now on, though nobody else is started anew.
    const added = await run('peel', peeler.dataDir);
    while ((await peeled(added)) === 0 || (await peeled(peeler)) === alone) await send(10);
    await allHaveCome();
    const { counters } = await receiver.status();
    expect(counters.received.accepted).toBe(sent.length);
    expect(counters.peeled.exit).toBe(0);
    expect((await forwarder.status()).counters.forwarded.sent).toBe(sent.length);
    expect((await peeled(peeler)) + (await peeled(added))).toBe(sent.length);

    // Killed with packets in its hands: while it stands still it cannot let go of them.
    added.kill('SIGTERM');
    await added.ended;
    for (let held = 0; held === 0; ) {
      peeler.kill('SIGCONT');
      await send(20);
      await until(async () => (await inHand()) > 0 || (await receiver.status()).counts.inputs === 0);
      peeler.kill('SIGSTOP');
      held = await inHand();
    }
    peeler.kill('SIGKILL');
    await peeler.ended;
    const next = await run('peel', peeler.dataDir);
    await send(5);
    await allHaveCome();
    expect(await peeled(next)).toBeGreaterThanOrEqual(5);
    expect([receiver, forwarder].map(({ child }) => child.exitCode)).toEqual([null, null]);

    const accepted = async (): Promise<number> => (await receiver.status()).counters.received.accepted ?? 0;
    const before = await accepted();
    const sending = send(40);
    await until(async () => (await accepted()) > before);
    for (const dying of [receiver, forwarder]) dying.kill('SIGKILL');
    await Promise.all([receiver.ended, forwarder.ended]);
    const [another] = await Promise.all([run('receive,forward', first()), sending]);
    await allHaveCome();
    await send(5);
    await allHaveCome();
    expect((await another.status()).counters.forwarded.sent).toBeGreaterThanOrEqual(5);
    for (const { err } of processes) expect(err()).not.toContain('refuses');
  });

  test('a process that has not the others’ mix keys is refused, until it has a copy or there is a new chain', async () => {
    const peeler = processes.findLast(
      ({ child }) => child.exitCode === null && child.signalCode === null,
    ) as Process;
    const lacking = await start('peel', peeler.dataDir, (dataDir) =>
      rm(join(dataDir, 'mix-keys'), { recursive: true }),
    );
    const refused = await lacking.ended;
    expect(refused).toMatchObject({ code: 78, err: expect.stringContaining('has no mix keys') });
    expect(refused.err).toContain('Copy mix-keys/ from another process');
    expect(await keysOf(lacking)).toEqual([]);

    // As the page on Redis has it.
    peeler.kill('SIGTERM');
    await peeler.ended;
    await redis.ask('HDEL', `{postern:${mix}}:spool`, 'lineage');
    const anew = await run('peel', lacking.dataDir);
    expect(await keysOf(anew)).toContainEqual(expect.stringMatching(/^\d+\.chain$/));

    const old = await start('peel', peeler.dataDir);
    const before = await keysOf(old);
    expect(await old.ended).toMatchObject({
      code: 78,
      err: expect.stringContaining('has other mix keys than the spool’s other processes'),
    });
    expect(await keysOf(old)).toEqual(before);
    expect(before).toContainEqual(expect.stringMatching(/^\d+\.chain$/));
  });

  test('while Redis is gone status tells the rest, and the fault; the log has it once; systemd hears that the process lives', async () => {
    const alive = processes.findLast(({ child }) => child.exitCode === null && child.signalCode === null);
    const { dataDir, err } = alive as Process;
    const asked = () =>
      startCommand(network.folder, ['status', '--config', `${basename(dataDir)}.toml`]).ended;
    const logged = (event: string): number => err().split(`"event":"${event}"`).length - 1;
    await redis.kill();
    await until(() => logged('redis does not answer') === 1);
    await until(() => nobodyListens(redis.socket));
    // The process may have been the one that was taken once more: it says so until it has tried again.
    let told = await asked();
    await until(async () => {
      told = await asked();
      return told.err.includes('Nobody listens there');
    });
    expect(told).toMatchObject({
      code: 75,
      out: expect.stringMatching(/^spool {7}does not answer$/m),
      err: expect.stringMatching(
        /^postern-node: the spool failed: .* \[spool-io\]\n {2}Nobody listens there/,
      ),
    });
    const stopped = basename(processes.find(({ child }) => child.exitCode !== null)?.dataDir ?? '');
    const only = stopped.replace(/-\d+$/, '').replaceAll('-', ',');
    const { ended } = startCommand(network.folder, ['run', '--config', `${stopped}.toml`, '--only', only]);
    expect(await ended).toMatchObject({
      code: 75,
      err: expect.stringContaining(
        `no connection to Redis at unix:${redis.socket} (ECONNREFUSED) [spool-io]`,
      ),
    });
    // It is no fault of the process, which systemd would kill: one beat may have been under way.
    const before = await beats(alive as Process);
    await until(async () => (await beats(alive as Process)) > before + 1);
    await redis.start();
    await until(() => logged('redis answers again') === 1);
    expect(await asked()).toMatchObject({ code: 0, err: '' });
    expect(logged('redis does not answer')).toBe(1);
  });

  async function keysOf({ dataDir }: Process): Promise<string[]> {
    const names = await readdir(join(dataDir, 'mix-keys'));
    return names.filter((name) => name !== 'spool.id').sort();
  }
});

/** What connects while a process dies is taken once more, and cut off. */
function nobodyListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}
