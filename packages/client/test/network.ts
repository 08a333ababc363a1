import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Consensus,
  epochAt,
  type NodeEntry,
  signConsensus,
  staleEpochs,
  writeGeometry,
} from '@postern/protocol/consensus';
import { formatZone, makeRecord } from '@postern/protocol/dns';
import {
  type EnvelopeKey,
  type Fragment,
  generateDomainKey,
  join,
  loadEnvelopeKey,
  openEnvelope,
} from '@postern/protocol/envelope';
import { emptyRange, headOf } from '@postern/protocol/log';
import { decodeUnit, defaultGeometry } from '@postern/protocol/packet';
import { testAuthority } from '@postern/protocol/testing';
import { onTestFinished } from 'vitest';
import type { ClientConfig } from '../src/index.ts';
import { type Mix, type MixOptions, startMix } from './mix.ts';

/** Sealed messages by recipient, joined from what the mixes would have handed to the gateway. */
export type Delivered = Map<string, Uint8Array[]>;

/**
 * A network as its clients see it: an authority's web server with a signed consensus, mixes with mail servers, and domains with a
 * key. Packets stay with the first mix; `deliver` takes them through the others in memory.
 */
export interface Network {
  readonly mixes: readonly Mix[];
  /** What to pin for each domain. */
  readonly zones: ReadonlyMap<string, string>;
  readonly url: string;
  readonly vkey: string;
  consensus: Consensus;
  /** What is served for the consensus of its epoch when that is asked for by number; nothing unless set. */
  other?: Consensus;
  /** What the directory was asked for, beside certificates. */
  readonly asked: string[];
  /** Packets taken by all first mixes. */
  packets(): Uint8Array[];
  deliver(): Promise<Delivered>;
  /** What a packet for this first mix, by id, comes out as. */
  through(node: string, packet: Uint8Array): Arrived;
  /** What the domain's gateway finds in a unit. */
  unwrap(arrived: Arrived): Promise<Fragment>;
  config(mailbox: string): ClientConfig;
}

/** What reaches a domain's gateway. */
export interface Arrived {
  readonly domain: string;
  readonly unit: Uint8Array;
}

export interface NetworkOptions {
  /** When, in milliseconds. */
  readonly now: number;
  readonly domains?: readonly string[];
  readonly epochSeconds?: number;
  readonly meanDelayMs?: number;
  readonly maxBytes?: number;
  /** What the domains' records say, if not `require` and true. */
  readonly tls?: 'require' | 'prefer';
  readonly mixFor?: (domain: string) => boolean;
  readonly mixesPerLayer?: number;
  mix?(layer: number, place: number): Partial<MixOptions>;
}

export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const { now, domains = ['a.test', 'b.test'], epochSeconds = 3600, meanDelayMs = 200 } = options;
  const { mixesPerLayer = 2, maxBytes = 30_000_000 } = options;
  const epoch = epochAt(now / 1000, epochSeconds);
  const places = Array.from({ length: 3 * mixesPerLayer }, (_, index) => ({
    layer: 1 + (index % 3),
    place: Math.floor(index / 3),
  }));
  const mixes = await Promise.all(
    places.map(({ layer, place }) =>
      startMix({ name: `m${layer}-${place}.test`, layer, epoch, ...options.mix?.(layer, place) }),
    ),
  );
  const keys = new Map<string, EnvelopeKey>();
  const zones = new Map<string, string>();
  for (const domain of domains) {
    const key = await generateDomainKey(domain, new Date(now - 3_600_000));
    keys.set(domain, await loadEnvelopeKey(key.secretKey));
    const expires = Math.floor(now / 1000) + 86_400 * 365;
    const record = {
      domain,
      certificate: key.certificate,
      tls: options.tls ?? 'require',
      mix: options.mixFor?.(domain) ?? true,
      maxBytes,
      expires,
    };
    zones.set(domain, formatZone(makeRecord(record)));
  }
  const authority = testAuthority('authority.test', { now: Math.floor(now / 1000) });
  const network: Pick<Network, 'consensus' | 'other'> = {
    consensus: consensusOf([...mixes.map((mix) => mix.entry), gatewayOf(domains)], {
      epoch,
      epochSeconds,
      meanDelayMs,
    }),
  };
  const asked: string[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/v1/certificates') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify([authority.certificate]));
      return;
    }
    asked.push(request.url ?? '');
    const { consensus, other } = network;
    const past = request.url === `/v1/consensus/${consensus.epoch}` ? other : undefined;
    const found = request.url === '/v1/consensus' ? consensus : past;
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(found ? signConsensus(found, [authority]) : '');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await Promise.all(mixes.map((mix) => mix[Symbol.asyncDispose]()));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { vkey } = authority;
  const packets = (): Uint8Array[] => mixes.flatMap((mix) => mix.packets);
  return Object.assign(network, {
    mixes,
    zones,
    url,
    vkey,
    asked,
    packets,
    deliver: () => deliver(packets(), mixes, keys),
    through: (node: string, packet: Uint8Array) => through(node, packet, mixes),
    unwrap: (arrived: Arrived) => unwrap(arrived, keys),
    config: (mailbox: string): ClientConfig => ({
      mailbox,
      ehlo: mailbox.slice(mailbox.lastIndexOf('@') + 1),
      directory: { urls: [url], authorities: [vkey], threshold: 1 },
      dns: { resolver: 'none', validate: 'resolver', trustAnchors: 'iana', unsigned: 'refuse' },
      keys: { lookup: 'ask', order: ['dns', 'wkd', 'keyring'] },
      route: { include: [], exclude: [] },
      send: {
        timeoutMs: 300_000,
        expiryMs: 5 * 86_400_000,
        connections: 4,
        sentCopy: true,
        mode: 'mix',
        tls: 'require',
      },
    }),
  });
}

function consensusOf(
  nodes: readonly NodeEntry[],
  p: { epoch: number; epochSeconds: number; meanDelayMs: number },
): Consensus {
  const validAfter = p.epoch * p.epochSeconds;
  return {
    version: 1,
    ...p,
    validAfter,
    freshUntil: validAfter + p.epochSeconds,
    validUntil: validAfter + (1 + staleEpochs) * p.epochSeconds,
    geometry: writeGeometry(defaultGeometry),
    width: { least: 10, most: 100, perMix: 1_000 },
    rest: { count: 0, root: headOf(emptyRange).root },
    nodes: [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1)),
    revoked: [],
    shared: '00'.repeat(32),
    previous: '',
    log: headOf(emptyRange),
    votes: [],
    reveals: [],
  };
}

function gatewayOf(domains: readonly string[]): NodeEntry {
  return {
    id: 'fe'.repeat(32),
    name: 'gateway.test',
    roles: ['delivery'],
    smtp: { host: '127.0.0.1', port: 9 },
    tlsPins: ['00'.repeat(32)],
    family: '',
    domains: [...domains].sort(),
    mirror: '',
    layer: 0,
    mixKey: '',
    capacity: 0,
  };
}

/** Takes packets through all their mixes and the gateway; throws when one does not open. */
async function deliver(
  packets: readonly Uint8Array[],
  mixes: readonly Mix[],
  keys: ReadonlyMap<string, EnvelopeKey>,
): Promise<Delivered> {
  const sets = new Map<string, Fragment[]>();
  for (const packet of packets) {
    const fragment = await fragmentOf(packet, mixes, keys);
    const id = Buffer.from(fragment.setId).toString('hex');
    sets.set(id, [...(sets.get(id) ?? []), fragment]);
  }
  const delivered: Delivered = new Map();
  for (const fragments of sets.values()) {
    const joined = join(fragments);
    const recipient = fragments[0]?.recipient ?? '';
    if (joined.kind !== 'joined') throw new Error(`a message for ${recipient} is ${joined.kind}`);
    delivered.set(recipient, [...(delivered.get(recipient) ?? []), joined.sealed]);
  }
  return delivered;
}

async function fragmentOf(
  packet: Uint8Array,
  mixes: readonly Mix[],
  keys: ReadonlyMap<string, EnvelopeKey>,
): Promise<Fragment> {
  // The first mix of a packet is the one that can peel it.
  const mix = mixes.find((each) => each.entry.layer === 1 && each.packets.includes(packet));
  return unwrap(through(mix?.entry.id ?? '', packet, mixes), keys);
}

function through(node: string, packet: Uint8Array, mixes: readonly Mix[]): Arrived {
  let [next, bytes] = [node, packet];
  for (;;) {
    const mix = mixes.find((each) => each.entry.id === next);
    if (mix === undefined) throw new Error('no such mix');
    const peeled = mix.peel(bytes);
    if (peeled.kind === 'refused') throw new Error(`${mix.entry.name} refuses: ${peeled.reason}`);
    if (peeled.kind === 'exit') return peeled;
    next = Buffer.from(peeled.nextNode).toString('hex');
    bytes = peeled.packet;
  }
}

async function unwrap({ domain, unit }: Arrived, keys: ReadonlyMap<string, EnvelopeKey>): Promise<Fragment> {
  const decoded = decodeUnit(defaultGeometry, unit);
  const key = keys.get(domain);
  if (decoded.kind !== 'envelope' || key === undefined) throw new Error(`no envelope for ${domain}`);
  const opened = await openEnvelope(decoded.envelope, [key]);
  if (opened.kind === 'refused') throw new Error(`envelope refused: ${opened.reason}`);
  return opened.fragment;
}
