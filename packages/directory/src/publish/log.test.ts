import { consensusDigest, verifyCheckpoint } from '@postern/protocol/consensus';
import {
  decodeBundle,
  decodeTile,
  hashOfLeaf,
  headOf,
  rangeOf,
  subtreesOfTiles,
} from '@postern/protocol/log';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningAuthority } from '../authority.ts';
import { type Bench, consensusOf, get, issued, openBench, post, trustIn } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';

const hour = epochSeconds * 1_000;
const epoch = 1_000;

/** Of an authority that has issued a consensus in each of three epochs, and of one that has issued none. */
let bench: Bench;
let authority: RunningAuthority;
let none: Bench;
let empty: RunningAuthority;
beforeAll(async () => {
  [bench, none] = await Promise.all([openBench(), openBench()]);
  [authority, empty] = await Promise.all([bench.run(), none.run()]);
  for (const at of [epoch, epoch + 1, epoch + 2]) {
    bench.clock.moveTo(start + (at - epoch) * hour);
    for (const name of ['mix1.test', 'mix2.test', 'mix3.test'])
      await post(authority, signedNode(name, bench.clock.now()));
    await issued(authority, at);
  }
});
afterAll(() => Promise.all([bench, none].map((one) => one[Symbol.asyncDispose]())));

const bytesOf = async ({ url }: RunningAuthority, path: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(`${url}/v1/log/${path}`)).arrayBuffer());

test('every consensus is in the log, and each names the log before it', async () => {
  const bundle = decodeBundle({ width: 3 }, await bytesOf(authority, 'tile/entries/000.p/3')) ?? [];
  const hashes = decodeTile({ width: 3 }, await bytesOf(authority, 'tile/0/000.p/3')) ?? [];
  expect(bundle.map(hashOfLeaf).map((hash) => [...hash])).toEqual(hashes.map((hash) => [...hash]));
  const subtree = subtreesOfTiles((level, at) => (level === 0 ? hashes[at] : undefined));
  for (const [at, leaf] of bundle.entries()) {
    expect(leaf.epoch).toBe(epoch + at);
    const { consensus } = await consensusOf(authority, bench.clock.now(), `/v1/consensus/${leaf.epoch}`);
    expect(consensusDigest(consensus)).toBe(leaf.digest);
    expect(consensus.log).toEqual(headOf(rangeOf(subtree, at)));
  }
  const signed = (await get(authority, '/v1/log/checkpoint')).text;
  const { authorities, signingKeys } = await trustIn(authority);
  const now = Math.floor(bench.clock.now() / 1_000);
  expect(verifyCheckpoint(signed, { authorities, signingKeys, now })).toEqual({
    kind: 'checkpoint',
    head: headOf(rangeOf(subtree, 3)),
    authority: 'authority1.test',
  });
});

test('the log is the same after a restart, and of one that has issued nothing it is empty', async () => {
  expect((await get(empty, '/v1/log/checkpoint')).text).toMatch(/^authority1\.test\/v1\/log\n0\n47DEQpj8/);
  const paths = ['tile/0/000.p/3', 'tile/0/000.p/1', 'tile/entries/000.p/2'];
  const { text } = await get(authority, '/v1/log/checkpoint');
  const before = await Promise.all(paths.map((path) => bytesOf(authority, path)));
  await authority.close();
  authority = await bench.run();
  expect(await Promise.all(paths.map((path) => bytesOf(authority, path)))).toEqual(before);
  const head = text.slice(0, text.indexOf('\n\n'));
  expect((await get(authority, '/v1/log/checkpoint')).text.startsWith(head)).toBe(true);
});

describe('GET /v1/log', () => {
  test('may be cached: tiles for ever, the checkpoint for seconds', async () => {
    const checkpoint = await get(authority, '/v1/log/checkpoint');
    expect(checkpoint.headers.get('cache-control')).toBe('public, max-age=5');
    expect(checkpoint.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const tag = checkpoint.headers.get('etag') ?? '';
    expect(await get(authority, '/v1/log/checkpoint', { 'if-none-match': tag })).toMatchObject({
      status: 304,
    });
    for (const path of ['/v1/log/tile/0/000.p/3', '/v1/log/tile/entries/000.p/3']) {
      const { headers } = await get(authority, path);
      expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(headers.get('content-type')).toBe('application/octet-stream');
    }
  });

  test.each([
    ['tile/0/000', 404, 'no-tile'],
    ['tile/0/000.p/4', 404, 'no-tile'],
    ['tile/1/000.p/1', 404, 'no-tile'],
    ['tile/63/000', 404, 'no-tile'],
    ['tile/0/x999/x999/x999/x999/999', 404, 'no-tile'],
    ['tile/entries/001.p/1', 404, 'no-tile'],
    ['tile/0/0', 400, 'malformed'],
    ['tile/0/000.p/0', 400, 'malformed'],
    ['tile/64/000', 400, 'malformed'],
    ['tile/x/000', 400, 'malformed'],
    ['tile/0/%2e%2e/000', 400, 'malformed'],
    [`tile/0/${'x000/'.repeat(50)}000`, 400, 'malformed'],
    ['nothing', 404, 'no-such-path'],
  ])('%s: %i %s', async (path, status, error) => {
    const answer = await get(empty, `/v1/log/${path}`);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error, message: expect.any(String) });
  });
});
