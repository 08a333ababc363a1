import {
  type AuthorityKey,
  maxAuthorities,
  maxNodes,
  maxRegistered,
  parseAuthorityKey,
  type Width,
} from '@postern/protocol/consensus';
import { defaultGeometry, type Geometry, geometry } from '@postern/protocol/packet';
import {
  checkedTogether,
  domainName,
  duration,
  type Endpoint,
  endpoint,
  type MetricsConfig,
  metricsSection,
  parseConfig,
} from '@postern/runtime';
import { z } from 'zod';
import { isSameKey, majority, thresholdMistake } from './client/trust.ts';
import { roundMsOf } from './slots.ts';

/** An authority, parsed. */
export interface AuthorityConfig {
  /** Stands in front of every signature. */
  readonly name: string;
  readonly dataDir: string;
  /** Where HTTP is served; port 0 takes any free one. */
  readonly listen: Endpoint;
  readonly epochSeconds: number;
  /** Mean of the delay that clients draw for each hop. */
  readonly meanDelayMs: number;
  readonly geometry: Geometry;
  /** How many mixes a layer is to have. */
  readonly width: Width;
  readonly bootstrap: {
    /** The first consensus waits for this many descriptors. */
    readonly nodes: number;
  };
  /** Most descriptors kept. */
  readonly maxNodes: number;
  /** Ids that no longer count. */
  readonly revoked: readonly string[];
  /** Ids that may register; empty = any. */
  readonly allow: readonly string[];
  /** The other authorities of the network; none for one that agrees with itself. */
  readonly peers: readonly PeerConfig[];
  /** How many authorities have to sign a consensus: a majority at least. */
  readonly threshold: number;
  /** Whether it tries the mixes, and says which cannot be reached. */
  readonly probe: boolean;
  /** Where metrics are served; nowhere without. */
  readonly metrics: MetricsConfig | undefined;
}

/** Another authority of the network. */
export interface PeerConfig {
  readonly name: string;
  /** Without a slash at the end. */
  readonly url: string;
  readonly key: AuthorityKey;
}

const nodeId = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'is no node id; `postern-node status` shows it: 64 hex digits');

const epochSeconds = duration.refine(
  (ms) => ms >= 1_000 && ms <= 604_800_000 && ms % 1_000 === 0,
  'is no epoch length; write whole seconds up to a week, for example "1h"',
);

const figures = z
  .strictObject({
    suite: z.int().default(defaultGeometry.suite),
    hops: z.int().default(defaultGeometry.hops),
    routing_bytes: z.int().default(defaultGeometry.routingBytes),
    packet_bytes: z.int().default(defaultGeometry.packetBytes),
  })
  .transform(({ suite, hops, routing_bytes, packet_bytes }, context): Geometry => {
    try {
      return geometry({ suite, hops, routingBytes: routing_bytes, packetBytes: packet_bytes });
    } catch (error) {
      const message = error instanceof Error ? error.message : 'is no geometry';
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  });

/** Packets that a mix may have in an epoch: as many as documents can say. */
const mostPackets = 2 ** 32 - 1;

const width = checkedTogether(
  z.strictObject({
    least: z.int().min(1).default(10),
    most: z.int().min(1).default(100),
    packets_per_mix: z.int().min(1).max(mostPackets).default(1_000),
  }),
  ({ least, most }, { say }) => {
    if (least !== undefined && most !== undefined && most < least) say(['most'], 'is below `least`');
  },
);

const peerUrl = z
  .url({
    protocol: /^https?$/,
    error: 'is no http or https URL; write for example "https://directory2.example"',
  })
  .refine((text) => {
    const url = URL.parse(text);
    return url === null || `${url.username}${url.password}${url.search}${url.hash}` === '';
  }, 'has more than scheme, host, port and path')
  .transform((text) => text.replace(/\/+$/, ''));

const peerKey = z.string().transform((vkey, context): AuthorityKey => {
  try {
    return parseAuthorityKey(vkey);
  } catch {
    const message =
      'is no authority key; copy the line name+keyid+key that its `postern-directory init` printed';
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
});

const peer = z
  .strictObject({ url: peerUrl, key: peerKey })
  .transform(({ url, key }): PeerConfig => ({ name: key.name, url, key }));

/** Shortest round that authorities on one machine can keep, milliseconds. */
const shortestRoundMs = 100;

const sections = checkedTogether(
  z.strictObject({
    name: domainName,
    data_dir: z.string().min(1),
    listen: endpoint,
    epoch: epochSeconds.default(3_600_000),
    mean_delay: duration.refine((ms) => ms <= 86_400_000, 'is longer than a day').default(200),
    geometry: figures.optional(),
    width: width.prefault({}),
    bootstrap: z.strictObject({ nodes: z.int().min(1).max(maxRegistered).default(8) }).optional(),
    max_nodes: z.int().min(1).max(maxRegistered).default(maxRegistered),
    revoked: z.array(nodeId).max(maxNodes, `are more than ${maxNodes}`).default([]),
    allow: z.array(nodeId).default([]),
    peers: z
      .array(peer)
      .max(maxAuthorities - 1, `are more than ${maxAuthorities - 1}`)
      .default([]),
    threshold: z.int().min(1, 'is at least 1').optional(),
    probe: z.boolean().default(true),
    metrics: metricsSection.optional(),
  }),
  ({ name, peers, threshold, epoch, width, geometry }, { say, isWrong }) => {
    const { hops } = geometry ?? defaultGeometry;
    if (!isWrong('geometry') && width !== undefined && width.most * hops > maxNodes)
      say(
        ['width', 'most'],
        `is more than ${Math.floor(maxNodes / hops)}: a consensus has ${maxNodes} nodes at most`,
      );
    if (peers === undefined) return;
    peers.forEach((one, at) => {
      const before = peers.slice(0, at).filter((other) => other !== undefined);
      if (one === undefined) return;
      if (one.name === name) say(['peers', at, 'key'], 'is of this authority itself; list the others only');
      if (before.some((other) => other.name === one.name))
        say(['peers', at, 'key'], `is a second one of ${one.name}; list each authority once`);
      else if (before.some((other) => isSameKey(other.key, one.key)))
        say(['peers', at, 'key'], 'is the key of another one as well; each authority has its own');
      if (before.some((other) => other.url === one.url))
        say(['peers', at, 'url'], 'is the URL of another one as well; each authority has its own');
    });
    const authorities = [name, ...uniqueNames(peers)];
    const mistake = threshold === undefined ? undefined : thresholdMistake({ authorities, threshold });
    if (mistake !== undefined) say(['threshold'], mistake);
    if (epoch === undefined || peers.length === 0) return;
    const roundMs = roundMsOf(epoch / 1_000, authorities.length);
    if (roundMs < shortestRoundMs)
      say(
        ['epoch'],
        `is too short for ${authorities.length} authorities, whose rounds would last ${roundMs} ms`,
      );
  },
);

/** Of each that does not hold it is not known that another one has the same. */
function uniqueNames(peers: readonly (PeerConfig | undefined)[]): (string | undefined)[] {
  const named = peers.filter((one) => one !== undefined).map((one) => one.name);
  return [...new Set(named), ...peers.filter((one) => one === undefined)];
}

const schema = sections.transform(
  (config): AuthorityConfig => ({
    name: config.name,
    dataDir: config.data_dir,
    listen: config.listen,
    epochSeconds: config.epoch / 1_000,
    meanDelayMs: config.mean_delay,
    geometry: config.geometry ?? defaultGeometry,
    width: {
      least: config.width.least,
      most: config.width.most,
      perMix: config.width.packets_per_mix,
    },
    bootstrap: config.bootstrap ?? { nodes: 8 },
    maxNodes: config.max_nodes,
    revoked: config.revoked,
    allow: config.allow,
    peers: config.peers,
    threshold: config.threshold ?? majority([config.name, ...config.peers.map(({ name }) => name)]),
    probe: config.probe,
    metrics: config.metrics,
  }),
);

/** Reads an authority's configuration as it comes from TOML. Throws `ConfigError` with every mistake. */
export function parseAuthorityConfig(input: unknown, source = 'directory.toml'): AuthorityConfig {
  return parseConfig(schema, input, source);
}
