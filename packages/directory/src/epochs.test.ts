import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RunningAuthority } from './authority.ts';
import { type Bench, consensusOf, get, issued, openBench, post, register } from './testing/authorities.ts';
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
    await authority.close();
    const later = epoch + 31 * 24;
    bench.clock.moveTo(later * hour);
    const after = await bench.run({}, { confirmedEpoch: later });
    await register(after, bench.clock.now(), ...mixes);
    await issued(after, later);
    expect(after.status().registered).toBe(9);
  });
});

describe('an authority whose clock is wrong', () => {
  const far = epoch + 40 * 24;
  test('far ahead: issues and forgets nothing, says so, and goes on when the clock is right', async () => {
    const { log, lines } = keepingLog();
    const authority = await bench.run({}, { log });
    await settle(authority);
    bench.clock.moveTo(far * hour);
    await vi.waitFor(() => expect(authority.status().heldUp?.reason).toBe('epoch-jump'));
    expect(authority.status()).toMatchObject({
      registered: 8,
      consensus: { epoch: epoch + 1 },
      heldUp: { why: expect.stringContaining(`--confirm-epoch ${far}`) },
    });
    const fields = expect.objectContaining({ reason: 'epoch-jump' });
    expect(lines).toContainEqual({ level: 'error', event: 'consensus held up', fields });

    bench.clock.moveTo((epoch + 2) * hour);
    await register(authority, bench.clock.now(), 'mix1.test');
    await issued(authority, epoch + 2);
    expect((await consensusOf(authority, bench.clock.now())).consensus.nodes).toHaveLength(8);
    expect(authority.status().heldUp).toBeUndefined();
  });

  test('far ahead as its nodes’ are: a leap is for the operator to confirm', async () => {
    let running = await bench.run();
    await settle(running);
    bench.clock.moveTo(far * hour);
    await register(running, bench.clock.now(), ...mixes);
    expect(running.status()).toMatchObject({
      consensus: { epoch: epoch + 1 },
      heldUp: { reason: 'epoch-jump' },
    });
    await running.close();

    running = await bench.run({}, { confirmedEpoch: far - 400 });
    expect(running.status().heldUp?.reason).toBe('epoch-jump');
    await running.close();

    running = await bench.run({}, { confirmedEpoch: far });
    await issued(running, far);
    expect((await consensusOf(running, bench.clock.now())).consensus.nodes).toHaveLength(8);
  });

  test('goes on by itself after a week', async () => {
    const running = await bench.run();
    await settle(running);
    bench.clock.moveTo((epoch + 1 + 7 * 24) * hour);
    await register(running, bench.clock.now(), ...mixes);
    expect(running.status()).toMatchObject({ consensus: { epoch: epoch + 1 + 7 * 24 } });
  });

  test('behind: serves what is valid, not what has still to begin', async () => {
    const { log, lines } = keepingLog();
    const running = await bench.run({}, { log });
    await settle(running);
    const older = await get(running, `/v1/consensus/${epoch}`);
    bench.clock.moveTo((epoch + 1) * hour - 1);
    expect(await get(running, '/v1/consensus')).toMatchObject({ status: 200, text: older.text });
    expect(JSON.parse((await get(running, '/health')).text)).toMatchObject({ consensus: epoch });
    await register(running, bench.clock.now(), 'mix9.test');
    expect(running.status()).toMatchObject({
      consensus: { epoch: epoch + 1 },
      heldUp: { reason: 'clock-behind' },
    });
    const fields = expect.objectContaining({ reason: 'clock-behind' });
    expect(lines).toContainEqual({ level: 'error', event: 'consensus held up', fields });

    bench.clock.moveTo((epoch - 1) * hour);
    const { text, headers } = await get(running, '/v1/consensus');
    expect(text).toContain(`"epoch":${epoch + 1}`);
    expect(headers.get('cache-control')).toBe('public, max-age=1');
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
