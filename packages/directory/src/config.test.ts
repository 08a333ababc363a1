import { defaultGeometry } from '@postern/protocol/packet';
import { ConfigError } from '@postern/runtime';
import { expect, test } from 'vitest';
import { parseAuthorityConfig } from './config.ts';

const least = { name: 'authority1.test', data_dir: '/data', listen: '127.0.0.1:8440' };

test('fills in what is not said', () => {
  expect(parseAuthorityConfig(least)).toEqual({
    name: 'authority1.test',
    dataDir: '/data',
    listen: { host: '127.0.0.1', port: 8440 },
    epochSeconds: 3_600,
    meanDelayMs: 200,
    geometry: defaultGeometry,
    bootstrap: { nodes: 8 },
    maxNodes: 1_000,
    revoked: [],
    allow: [],
    peers: [],
    threshold: 1,
  });
});

test('takes what is said', () => {
  const said = {
    ...least,
    epoch: '5s',
    mean_delay: '0ms',
    bootstrap: { nodes: 1 },
    geometry: { hops: 4, packet_bytes: 65_536 },
    revoked: ['a'.repeat(64)],
  };
  expect(parseAuthorityConfig(said)).toMatchObject({
    epochSeconds: 5,
    meanDelayMs: 0,
    bootstrap: { nodes: 1 },
    geometry: { hops: 4, packetBytes: 65_536, routingBytes: defaultGeometry.routingBytes },
    revoked: ['a'.repeat(64)],
  });
});

test.each<[string, object]>([
  ['name', { name: 'no domain' }],
  ['data_dir', { data_dir: '' }],
  ['listen', { listen: '8440' }],
  ['epoch', { epoch: '500ms' }],
  ['epoch', { epoch: '1500ms' }],
  ['epoch', { epoch: '8d' }],
  ['mean_delay', { mean_delay: '2d' }],
  ['bootstrap.nodes', { bootstrap: { nodes: 0 } }],
  ['bootstrap.node', { bootstrap: { node: 1 } }],
  ['max_nodes', { max_nodes: 2_001 }],
  ['geometry', { geometry: { packet_bytes: 100 } }],
  ['geometry.hop', { geometry: { hop: 3 } }],
  ['revoked.0', { revoked: ['x'] }],
  ['allow.0', { allow: ['A'.repeat(64)] }],
  ['ports', { ports: 1 }],
])('says that %s is wrong in %j', (path, change) => {
  const error = mistakeIn({ ...least, ...change });
  expect(error.source).toBe('file.toml');
  expect(error.mistakes.map((mistake) => mistake.path)).toEqual([path]);
});

function mistakeIn(input: object): ConfigError {
  try {
    parseAuthorityConfig(input, 'file.toml');
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was taken');
}
