import { formatAuthorityKey } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { ConfigError } from '@postern/runtime';
import { describe, expect, test } from 'vitest';
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
    width: { least: 10, most: 100, perMix: 1_000 },
    maxNodes: 10_000,
    revoked: [],
    allow: [],
    peers: [],
    probe: true,
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
    width: { least: 3, most: 500, packets_per_mix: 10_000 },
    revoked: ['a'.repeat(64)],
  };
  expect(parseAuthorityConfig(said)).toMatchObject({
    epochSeconds: 5,
    meanDelayMs: 0,
    bootstrap: { nodes: 1 },
    geometry: { hops: 4, packetBytes: 65_536, routingBytes: defaultGeometry.routingBytes },
    width: { least: 3, most: 500, perMix: 10_000 },
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
  ['max_nodes', { max_nodes: 10_001 }],
  ['width.least', { width: { least: 0 } }],
  ['width.most', { width: { least: 101 } }],
  ['width.most', { width: { most: 667 } }],
  ['width.packets_per_mix', { width: { packets_per_mix: 0 } }],
  ['geometry', { geometry: { packet_bytes: 100 } }],
  ['geometry.hop', { geometry: { hop: 3 } }],
  ['revoked.0', { revoked: ['x'] }],
  ['revoked', { revoked: Array.from({ length: 2_001 }, () => 'a'.repeat(64)) }],
  ['allow.0', { allow: ['A'.repeat(64)] }],
  ['ports', { ports: 1 }],
])('says that %s is wrong in %j', (path, change) => {
  const error = mistakeIn({ ...least, ...change });
  expect(error.source).toBe('file.toml');
  expect(error.mistakes.map((mistake) => mistake.path)).toEqual([path]);
});

describe('peers', () => {
  const key = (at: number, name = `authority${at}.test`): string =>
    formatAuthorityKey({ name, identity: new Uint8Array(32).fill(at) });
  const peer = (at: number): object => ({ url: `http://authority${at}.test`, key: key(at) });

  test('are the other authorities, of which a majority with this one has to sign unless more are wanted', () => {
    const config = parseAuthorityConfig({ ...least, peers: [peer(2), peer(3)] });
    expect(config.peers.map(({ name, url }) => [name, url])).toEqual([
      ['authority2.test', 'http://authority2.test'],
      ['authority3.test', 'http://authority3.test'],
    ]);
    expect(config.threshold).toBe(2);
    expect(parseAuthorityConfig({ ...least, threshold: 3, peers: [peer(2), peer(3)] }).threshold).toBe(3);
  });

  test.each<[string, object]>([
    ['peers.0.url', { peers: [{ ...peer(2), url: 'ftp://x.test' }] }],
    ['peers.0.url', { peers: [{ ...peer(2), url: 'https://x.test/?a=1' }] }],
    ['peers.0.key', { peers: [{ ...peer(2), key: 'x' }] }],
    ['peers.1.key', { peers: [peer(2), { ...peer(1), url: 'http://self.test' }] }],
    ['peers.1.key', { peers: [peer(2), { url: 'http://other.test', key: key(3, 'authority2.test') }] }],
    ['peers.1.key', { peers: [peer(2), { url: 'http://other.test', key: key(2, 'other.test') }] }],
    ['peers.1.url', { peers: [peer(2), { ...peer(3), url: 'http://authority2.test/' }] }],
    ['peers.0.keys', { peers: [{ ...peer(2), keys: [] }] }],
    ['peers', { peers: Array.from({ length: 64 }, (_, at) => peer(at + 2)) }],
    ['threshold', { threshold: 1, peers: [peer(2), peer(3)] }],
    ['threshold', { threshold: 4, peers: [peer(2), peer(3)] }],
    ['threshold', { threshold: 2 }],
    ['epoch', { epoch: '2s', peers: [peer(2), peer(3), peer(4), peer(5)] }],
  ])('make a configuration wrong at %s (%#)', (path, change) => {
    expect(mistakeIn({ ...least, ...change }).mistakes.map((mistake) => mistake.path)).toEqual([path]);
  });

  test('with several mistakes are told all of them', () => {
    const two = { threshold: 9, peers: [{ url: 'x', key: 'y' }, peer(2)], max_nodes: 0 };
    expect(mistakeIn({ ...least, ...two }).mistakes.map((mistake) => mistake.path)).toEqual([
      'max_nodes',
      'peers.0.url',
      'peers.0.key',
      'threshold',
    ]);
    const more = {
      epoch: '1s',
      threshold: 9,
      peers: [{ ...peer(1), url: 'http://x.test' }, peer(2), peer(2)],
    };
    expect(mistakeIn({ ...least, ...more }).mistakes.map((mistake) => mistake.path)).toEqual([
      'peers.0.key',
      'peers.2.key',
      'peers.2.url',
      'threshold',
      'epoch',
    ]);
  });

  test('and what parts have to do with each other, whichever other part is wrong', () => {
    const paths = (change: object): string[] =>
      mistakeIn({ ...least, ...change }).mistakes.map((mistake) => mistake.path);
    const several = {
      geometry: { packet_bytes: 100 },
      threshold: 9,
      width: { least: 9, most: 8 },
      peers: [peer(2), { ...peer(3), url: 'x' }, peer(2)],
      epoch: 'long',
      ports: 1,
    };
    expect(paths(several)).toEqual([
      'epoch',
      'geometry',
      'width.most',
      'peers.1.url',
      'ports',
      'peers.2.key',
      'peers.2.url',
      'threshold',
    ]);
    expect(paths({ name: '-', listen: 1, width: { most: 667 } })).toEqual(['name', 'listen', 'width.most']);
    expect(paths({ width: { least: 9, most: 8, packets_per_mix: 0 } })).toEqual([
      'width.packets_per_mix',
      'width.most',
    ]);
    expect(paths({ peers: 'all', threshold: 2 })).toEqual(['peers']);
    // of a geometry that does not hold it is not known how many mixes a path has
    expect(paths({ geometry: { hops: 0 }, width: { most: 667 } })).toEqual(['geometry']);
  });
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
