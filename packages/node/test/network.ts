import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { createDirectoryClient, type VerifiedConsensus } from '@postern/directory/client';
import { createSmtpSender, makeCarriage, type SendResult, type SmtpSender } from '@postern/mail';
import { decodeBase64, decodeHex } from '@postern/protocol/codec';
import type { NodeEntry } from '@postern/protocol/consensus';
import { parseZone } from '@postern/protocol/dns';
import { fragmentCapacity, sealEnvelope, split } from '@postern/protocol/envelope';
import { buildPacket, type Hop } from '@postern/protocol/packet';
import { type Clock, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import {
  initNode,
  type NodeConfig,
  type NodeDeps,
  parseNodeConfig,
  type RunningNode,
  startNode,
} from '../src/index.ts';

export interface NetworkOptions {
  readonly clock?: Clock;
  readonly mixes?: number;
  /** Mixes on a path. */
  readonly hops?: number;
  readonly epoch?: string;
  /** The section `width` of the authority. */
  readonly width?: object;
  /** The section `spool` of every node. */
  readonly spool?: object;
  /** Handed to every node beside clock, chance and log. */
  readonly deps?: Partial<NodeDeps>;
}

/** An authority, mixes, and the gateway of b.test with the mailboxes bob and bea; an author to send through them. */
export interface TestNetwork extends AsyncDisposable {
  readonly folder: string;
  readonly authority: RunningAuthority;
  readonly nodes: Map<string, RunningNode>;
  readonly configs: Map<string, NodeConfig>;
  start(name: string): Promise<RunningNode>;
  consensus(): Promise<VerifiedConsensus>;
  /** The packets of one message to a mailbox, each with its first hop. */
  packets(sealed: Uint8Array, options?: PacketOptions): Promise<{ first: NodeEntry; packet: Uint8Array }[]>;
  handOver(first: NodeEntry, packet: Uint8Array): Promise<SendResult>;
  /** Bytes of every message in a mailbox, trace fields taken off. */
  mailbox(local: string): Promise<Uint8Array[]>;
}

export interface PacketOptions {
  readonly mailbox?: string;
  readonly delayMs?: number;
  readonly expires?: number;
  readonly exit?: string;
  /** The domain's certificate; the one that it had at first when not given. */
  readonly certificate?: Uint8Array;
}

export async function startNetwork(options: NetworkOptions = {}): Promise<TestNetwork> {
  const { clock = systemClock, mixes = 3, hops = 3, epoch = '1h', deps, spool = {}, width = {} } = options;
  const random = systemRandom;
  await using opened = new AsyncDisposableStack();
  const folder = await storesFolder('node');
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const authority = opened.use(
    await startAuthority(
      parseAuthorityConfig({
        name: 'authority.test',
        data_dir: join(folder, 'authority'),
        listen: '127.0.0.1:0',
        epoch,
        bootstrap: { nodes: mixes + 1 },
        geometry: { hops },
        width,
        probe: false,
      }),
      { clock, random, log: silentLog },
    ),
  );
  const nodes = new Map<string, RunningNode>();
  const configs = new Map<string, NodeConfig>();
  opened.defer(async () => {
    await Promise.all([...nodes.values()].map((node) => node.close()));
  });

  const init = async (name: string, delivery: boolean): Promise<void> => {
    const dataDir = join(folder, name);
    const shared = {
      name,
      dataDir,
      roles: [delivery ? ('delivery' as const) : ('mix' as const)],
      listen: '127.0.0.1:0',
      advertise: '127.0.0.1:0',
      directoryUrls: [authority.url],
      authorities: [authority.vkey],
    };
    const to = {
      domain: 'b.test',
      maildir: join(folder, 'mail', '{local}', 'Maildir'),
      mailboxes: ['bob', 'bea'],
    };
    await initNode(
      { ...shared, configPath: join(folder, `${name}.toml`), ...(delivery ? { delivery: to } : {}) },
      { clock, random },
    );
    const config = parseNodeConfig({
      name,
      roles: shared.roles,
      data_dir: dataDir,
      smtp: { listen: shared.listen, advertise: shared.advertise },
      directory: { urls: shared.directoryUrls, authorities: shared.authorities },
      spool,
      ...(delivery ? { delivery: to } : {}),
    });
    configs.set(name, config);
  };
  const start = async (name: string): Promise<RunningNode> => {
    const config = configs.get(name);
    if (config === undefined) throw new Error(`no node ${name}`);
    const node = await startNode(config, { clock, random, log: silentLog, ...deps });
    nodes.set(name, node);
    return node;
  };
  const names = Array.from({ length: mixes }, (_, at) => `mix${at + 1}.test`);
  await Promise.all([...names.map((name) => init(name, false)), init('gate.b.test', true)]);
  // A port that was got stays the node's, so that it can be stopped and started again.
  for (const name of configs.keys()) {
    const node = await start(name);
    const config = configs.get(name) as NodeConfig;
    configs.set(name, { ...config, smtp: { ...config.smtp, listen: node.smtp, advertise: node.smtp } });
  }
  await Promise.all([...nodes.values()].map(({ ready }) => ready));

  const directory = createDirectoryClient({
    urls: [authority.url],
    authorities: [authority.vkey],
    threshold: 1,
    cacheDir: join(folder, 'author'),
    clock,
  });
  const sender: SmtpSender = opened.use(createSmtpSender({ ehloName: 'a.test' }));
  const firstCertificate = await publishedCertificate(folder, clock);

  const packets: TestNetwork['packets'] = async (sealed, p = {}) => {
    const { mailbox = 'bob@b.test', delayMs = 0, exit = 'b.test', certificate = firstCertificate } = p;
    const { consensus, geometry } = await directory.current();
    const capacity = await fragmentCapacity(certificate, mailbox, geometry.payloadBytes);
    const expires = p.expires ?? (Math.floor(clock.now() / 3_600_000) + 48) * 3_600;
    const fragments = split(sealed, { recipient: mailbox, setId: random.bytes(16), expires, capacity });
    return Promise.all(
      fragments.map(async (fragment) => {
        const path = Array.from({ length: geometry.hops }, (_, at) => at + 1).map((layer) => {
          const candidates = consensus.nodes.filter((node) => node.layer === layer);
          return candidates[(random.bytes(1)[0] ?? 0) % candidates.length] as NodeEntry;
        });
        const hops = path.map(
          ({ id, mixKey }): Hop => ({
            nodeId: decodeHex(id) as Uint8Array,
            mixKey: decodeBase64(mixKey) as Uint8Array,
            delayMs,
          }),
        );
        const payload = await sealEnvelope(fragment, certificate, geometry.payloadBytes);
        const packet = buildPacket(geometry, consensus.epoch, hops, { domain: exit }, payload);
        return { first: path[0] as NodeEntry, packet };
      }),
    );
  };

  const running = opened.move();
  return {
    folder,
    authority,
    nodes,
    configs,
    start,
    packets,
    consensus: () => directory.current(),
    handOver: ({ name, smtp, tlsPins }, packet) =>
      sender.send(
        { ...smtp, tls: { kind: 'pin', pins: tlsPins } },
        {
          from: 'secure@a.test',
          to: `secure@${name}`,
          message: makeCarriage({
            fromDomain: 'a.test',
            toDomain: name,
            bytes: packet,
            now: new Date(clock.now()),
            random: (length) => random.bytes(length),
          }),
        },
      ),
    async mailbox(local) {
      const path = join(folder, 'mail', local, 'Maildir', 'new');
      const names = await readdir(path).catch(() => []);
      const files = await Promise.all(names.map((name) => readFile(join(path, name))));
      return files.map((file) => {
        const head = `Return-Path: <>\r\nDelivered-To: ${local}@b.test\r\n`;
        if (file.subarray(0, head.length).toString('latin1') !== head) throw new Error('no trace fields');
        return file.subarray(head.length);
      });
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The certificate of b.test as its gateway wrote it for the zone. */
export async function publishedCertificate(folder: string, clock: Clock): Promise<Uint8Array> {
  const text = await readFile(join(folder, 'gate.b.test', 'b.test.zone'), 'utf8');
  const zone = parseZone(text, clock.now() / 1_000);
  if (zone.kind !== 'record') throw new Error(zone.reason);
  return zone.record.certificate;
}
