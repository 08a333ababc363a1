import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunningAuthority } from './authority.ts';
import { type Bench, consensusOf, issued, openBench, post, register } from './testing/authorities.ts';
import { epochSeconds } from './testing/clock.ts';
import { keepingLog } from './testing/log.ts';
import { signedGateway, signedNode } from './testing/nodes.ts';

const epoch = 1_000;
const hour = epochSeconds * 1_000;
const mixes = Array.from({ length: 8 }, (_, at) => `mix${at + 1}.test`);

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

/** A consensus of all eight mixes, of the epoch after the first. */
async function settle(authority: RunningAuthority): Promise<void> {
  await register(authority, bench.clock.now(), ...mixes);
  bench.clock.moveTo((epoch + 1) * hour);
  await issued(authority, epoch + 1);
}

describe('an authority that comes back after its network’s descriptors have gone stale', () => {
  test('issues nothing until most nodes have registered again, and then at once', async () => {
    const before = await bench.run();
    await settle(before);
    await before.close();

    bench.clock.moveTo((epoch + 5) * hour);
    const { log, lines } = keepingLog();
    const after = await bench.run({}, { log });
    expect(after.status()).toMatchObject({
      consensus: { epoch: epoch + 1 },
      heldUp: { reason: 'no-descriptor', why: expect.stringContaining('clock') },
    });
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'error', event: 'consensus held up', fields: expect.anything() }),
    );
    await register(after, bench.clock.now(), ...mixes.slice(0, 5));
    expect(after.status()).toMatchObject({
      consensus: { epoch: epoch + 1 },
      heldUp: { reason: 'few-nodes', why: 'waits for 6 nodes, 5 have registered' },
    });
    await register(after, bench.clock.now(), 'mix6.test');
    const { consensus } = await consensusOf(after, bench.clock.now());
    expect(consensus).toMatchObject({ epoch: epoch + 5 });
    expect(consensus.nodes).toHaveLength(6);
    expect(after.status().heldUp).toBeUndefined();
  });

  test('does without those that stay away, but not without bootstrap nodes', async () => {
    const authority = await bench.run({ bootstrap: { nodes: 4 } });
    await settle(authority);
    bench.clock.moveTo((epoch + 4) * hour);
    await register(authority, bench.clock.now(), ...mixes.slice(0, 3));
    bench.clock.advance(400_000);
    await register(authority, bench.clock.now(), ...mixes.slice(0, 3));
    expect(authority.status()).toMatchObject({
      consensus: { epoch: epoch + 1 },
      heldUp: { reason: 'few-nodes' },
    });
    await register(authority, bench.clock.now(), 'mix4.test');
    expect((await consensusOf(authority, bench.clock.now())).consensus.nodes).toHaveLength(4);
  });

  test('looks again by itself when the others have been waited for', async () => {
    const authority = await bench.run();
    await settle(authority);
    bench.clock.moveTo((epoch + 4) * hour);
    await vi.waitFor(() => expect(authority.status().heldUp?.reason).toBe('no-descriptor'));
    await register(authority, bench.clock.now(), ...mixes.slice(0, 4));
    bench.clock.advance(299_999);
    expect(authority.status().consensus?.epoch).toBe(epoch + 1);
    bench.clock.advance(1);
    await issued(authority, epoch + 4);
  });

  test('keeps the names of nodes that could not be heard meanwhile', async () => {
    const authority = await bench.run();
    await register(authority, bench.clock.now(), 'silent.test', ...mixes);
    bench.clock.moveTo((epoch + 31 * 24) * hour);
    await register(authority, bench.clock.now(), ...mixes);
    await issued(authority, epoch + 31 * 24);
    expect(authority.status().registered).toBe(9);
  });
});

test('no consensus is issued while a layer has no mix', async () => {
  const authority = await bench.run();
  await register(authority, bench.clock.now(), 'mix1.test', 'mix2.test');
  await post(authority, signedGateway('gateway.b.test', bench.clock.now(), ['b.test']));
  expect(authority.status().heldUp).toMatchObject({ reason: 'empty-layer' });
  expect(authority.status().consensus).toBeUndefined();
  const family = (name: string): string => signedNode(name, bench.clock.now(), { family: 'one' });
  await post(authority, family('mix3.test'));
  expect(authority.status().consensus?.epoch).toBe(epoch);
});
