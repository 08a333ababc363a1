import { maxNodes } from '@postern/protocol/consensus';
import { defaultGeometry, type Geometry, geometry } from '@postern/protocol/packet';
import {
  domainName,
  duration,
  type Endpoint,
  endpoint,
  type MetricsConfig,
  metricsSection,
  parseConfig,
} from '@postern/runtime';
import { z } from 'zod';

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
  /** Where metrics are served; nowhere without. */
  readonly metrics: MetricsConfig | undefined;
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

const schema = z
  .strictObject({
    name: domainName,
    data_dir: z.string().min(1),
    listen: endpoint,
    epoch: epochSeconds.default(3_600_000),
    mean_delay: duration.refine((ms) => ms <= 86_400_000, 'is longer than a day').default(200),
    geometry: figures.optional(),
    bootstrap: z.strictObject({ nodes: z.int().min(1).max(maxNodes).default(8) }).optional(),
    max_nodes: z.int().min(1).max(maxNodes).default(1_000),
    revoked: z.array(nodeId).default([]),
    allow: z.array(nodeId).default([]),
    metrics: metricsSection.optional(),
  })
  .transform(
    (config): AuthorityConfig => ({
      name: config.name,
      dataDir: config.data_dir,
      listen: config.listen,
      epochSeconds: config.epoch / 1_000,
      meanDelayMs: config.mean_delay,
      geometry: config.geometry ?? defaultGeometry,
      bootstrap: config.bootstrap ?? { nodes: 8 },
      maxNodes: config.max_nodes,
      revoked: config.revoked,
      allow: config.allow,
      metrics: config.metrics,
    }),
  );

/** Reads an authority's configuration as it comes from TOML. Throws `ConfigError` with every mistake. */
export function parseAuthorityConfig(input: unknown, source = 'directory.toml'): AuthorityConfig {
  return parseConfig(schema, input, source);
}
