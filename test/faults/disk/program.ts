/*
 * A network in which mixes keep their keys on one small disk, and somebody who copies that disk: once while the keys of an epoch are held, and once when
 * their time is over. Prints one line of JSON: what of those keys is in either copy, and what the first has of a later key, whose chain key was held then.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDirectoryClient, type VerifiedConsensus } from '@postern/directory/client';
import { createSmtpSender } from '@postern/mail';
import { initNode } from '@postern/node';
import { startRedis } from '@postern/node/testing';
import { decodeBase64, decodeHex } from '@postern/protocol/codec';
import { epochAt, type NodeEntry } from '@postern/protocol/consensus';
import { buildPacket, type Hop, loadMixKey, peel } from '@postern/protocol/packet';
import { systemClock, systemRandom } from '@postern/runtime';
import { freePorts, startProcess, startTap, startTestnet, type Tap, until } from '@postern/testkit';
import { carriageTo, peerOf } from '../notes.ts';
import type { Sought } from './keys.ts';
import { cut, type Outcome, piecesOf, search } from './search.ts';

/** The disk is mounted at `disk` in the folder, and is the file `image` there; one of `oneIn` windows is tried as a chain key wherever it stands. */
const [folder = '', oneIn = ''] = process.argv.slice(2);
const disk = join(folder, 'disk');
const how = { chainOneIn: Number(oneIn) };
const epochSeconds = 6;
/** Few: whatever of them lies on the disk is tried as a key as well. */
const packetsEach = 2;

/** A mix whose keys lie on the disk, behind a tap. */
interface Watched {
  readonly name: string;
  readonly log: string;
  readonly tap: Tap;
  /** First epoch that it has been in. */
  readonly first: number;
}

await using opened = new AsyncDisposableStack();
const net = opened.use(
  await startTestnet({
    dir: join(folder, 'net'),
    mixes: 3,
    domains: ['b.test'],
    epoch: `${epochSeconds}s`,
    meanDelay: '0ms',
    taps: true,
  }),
);
const { directory } = net.describe();
const redis = opened.use(await startRedis(disk));
const client = createDirectoryClient({ ...directory, cacheDir: join(folder, 'author'), clock: systemClock });
const sender = opened.use(createSmtpSender({ ehloName: 'a.test' }));
const now = (): number => epochAt(Date.now() / 1_000, epochSeconds);

const [one = 0, other = 0] = await freePorts(2);
const watched = [
  await startWatched('sqlite.test', one, (text) => text),
  await startWatched(
    'redis.test',
    other,
    (text) =>
      `${text.replace('# store = "sqlite"', 'store = "redis"')}\n[spool.redis]\nurl = ${JSON.stringify(redis.url)}\n`,
  ),
];

const consensus = await until(
  async () => {
    const current = await client.refresh().catch(() => undefined);
    const isFresh = current?.consensus.epoch === now();
    return isFresh && watched.every(({ name }) => entryOf(current, name) !== undefined) && current;
  },
  { what: 'both are in the consensus', deadlineMs: 120_000 },
);
const { epoch } = consensus.consensus;
const chain = await chainOf('redis.test');
const { lineage } = chain;
const sought = watched.map(({ name, first }): Sought => {
  const one = { name, publicKey: keyOf(consensus, name), steps: epoch - first };
  return name === chain.name ? { ...one, lineage } : one;
});
const packets = new Map<string, Uint8Array[]>();
for (const { name } of watched) packets.set(name, await sendTo(name));

const held = await copy('held');
await until(async () => (await Promise.all(watched.map(destroyed))).every(Boolean), {
  what: 'the mixes have destroyed the keys',
  deadlineMs: 120_000,
});
const after = await copy('after');
// its seed was not drawn yet when the first copy was made
const later = await until(
  async (): Promise<Sought | undefined> => {
    const current = await client.refresh().catch(() => undefined);
    const steps = (current?.consensus.epoch ?? 0) - chain.epoch;
    if (current === undefined || steps < 1) return undefined;
    return { name: 'later', publicKey: keyOf(current, chain.name), steps, lineage };
  },
  { what: 'there is a key that the chain had not come to', deadlineMs: 120_000 },
);
// by which they get packets, and by which they hand them on
const mixes = net.members.filter(({ role }) => role === 'mix');
const wires = [...watched, ...mixes]
  .flatMap(({ tap }) => tap?.connections ?? [])
  .flatMap(({ chunks }) => chunks.map(({ bytes }) => bytes));

const began = performance.now();
const inHeld = await search(held, [...sought, later], { ...how, untilAll: true });
const inAfter = await search(after, sought, how);
const onWires = await search(cutAll(Buffer.concat(wires)), sought, how);
const seconds = (performance.now() - began) / 1_000;
const printed = {
  recorded: wires.reduce((sum, { length }) => sum + length, 0),
  held: tellOf(inHeld),
  later: formsOf(inHeld, later.name),
  after: tellOf(inAfter),
  wires: tellOf(onWires),
  seconds,
};
process.stdout.write(`${JSON.stringify(printed)}\n`);

async function startWatched(
  name: string,
  port: number,
  change: (config: string) => string,
): Promise<Watched> {
  const tap = opened.use(await startTap({ name }));
  tap.leadTo({ host: '127.0.0.1', port });
  const configPath = join(folder, `${name}.toml`);
  await initNode(
    {
      configPath,
      dataDir: join(disk, name),
      name,
      roles: ['mix'],
      listen: `127.0.0.1:${port}`,
      advertise: `${tap.address.host}:${tap.address.port}`,
      directoryUrls: directory.urls,
      authorities: directory.authorities,
      resolver: 'none',
    },
    { clock: systemClock, random: systemRandom },
  );
  const text = await readFile(configPath, 'utf8');
  await writeFile(configPath, change(text.replace('# reserve = "64MB"', 'reserve = "1MB"')));
  const log = join(folder, `${name}.log`);
  const first = now();
  opened.use(
    await startProcess({
      name,
      program: 'postern-node',
      args: ['run', '--config', configPath],
      log,
      restart: false,
    }),
  );
  return { name, log, tap, first };
}

function entryOf({ consensus }: VerifiedConsensus, name: string): NodeEntry | undefined {
  return consensus.nodes.find((node) => node.name === name && node.mixKey !== '');
}

function keyOf(current: VerifiedConsensus, name: string): Uint8Array {
  return decodeBase64(entryOf(current, name)?.mixKey ?? '') ?? new Uint8Array();
}

/** Which chain a mix's keys come of, and the epoch that it has come to. */
async function chainOf(name: string): Promise<{ name: string; lineage: string; epoch: number }> {
  const keys = join(disk, name, 'mix-keys');
  const files = (await readdir(keys)).filter((file) => /^\d+\.chain$/.test(file));
  const file = files.sort().at(-1) ?? '';
  const lineage = (await readFile(join(keys, file))).toString('hex', 0, 16);
  return { name, lineage, epoch: Number.parseInt(file, 10) };
}

/** Packets of this epoch whose first layer is for a mix, each handed over to it by the wire that is tapped. */
async function sendTo(name: string): Promise<Uint8Array[]> {
  const { geometry } = consensus;
  const entry = entryOf(consensus, name) as NodeEntry;
  const rest = consensus.consensus.nodes.filter((node) => node.mixKey !== '' && node.name !== name);
  const hops = [entry, ...rest].slice(0, geometry.hops).map(
    ({ id, mixKey }): Hop => ({
      nodeId: decodeHex(id) as Uint8Array,
      mixKey: decodeBase64(mixKey) as Uint8Array,
      delayMs: 0,
    }),
  );
  const made = Array.from({ length: packetsEach }, () =>
    buildPacket(geometry, epoch, hops, { domain: 'b.test' }, systemRandom.bytes(geometry.payloadBytes)),
  );
  for (const packet of made) {
    const result = await sender.send(peerOf(entry), carriageTo(name, packet));
    if (result.kind !== 'sent') throw new Error(`${name} has ${result.kind} a packet`);
  }
  return made;
}

/** Whether the mix says that it has no key any more of the epoch at hand. */
async function destroyed({ log }: Watched): Promise<boolean> {
  const gone = [
    ...(await readFile(log, 'utf8')).matchAll(/"before":(\d+),"event":"past mix keys are gone"/g),
  ];
  return gone.some(([, before]) => Number(before) > epoch);
}

/** The disk as it is at this moment. */
async function copy(name: string): Promise<AsyncIterable<Uint8Array>> {
  await promisify(execFile)('sync', ['-f', disk]);
  const to = join(folder, name);
  await promisify(execFile)('cp', ['--sparse=always', join(folder, 'image'), to]);
  return piecesOf(to);
}

async function* cutAll(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* cut(bytes);
}

/** What was found of each mix, whether a packet of the epoch can be opened with it, and how much was looked at. */
function tellOf(outcome: Outcome) {
  const { found, ...counted } = outcome;
  const opens = watched.map(({ name }) => {
    const seeds = found.flatMap((one) => (one.name === name && one.seed !== undefined ? [one.seed] : []));
    return { name, forms: formsOf(outcome, name), opened: openedWith(name, seeds) };
  });
  return { opens, ...counted };
}

function formsOf({ found }: Outcome, name: string): string[] {
  return [...new Set(found.flatMap((one) => (one.name === name ? [one.form] : [])))];
}

function openedWith(name: string, seeds: readonly string[]): number {
  const { geometry } = consensus;
  const nodeId = decodeHex(entryOf(consensus, name)?.id ?? '') as Uint8Array;
  const keys = [...new Set(seeds)].map((seed) =>
    loadMixKey(Buffer.from(seed, 'hex'), nodeId, epoch, geometry),
  );
  const isOpen = (packet: Uint8Array): boolean =>
    keys.some((key) => peel(geometry, key, packet).kind === 'relay');
  return (packets.get(name) ?? []).filter(isOpen).length;
}
