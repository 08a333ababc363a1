import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { snapshotMs } from '@postern/runtime';
import { expect, test } from 'vitest';
import type { NodeConfig } from '../src/config.ts';
import { startNetwork, type TestNetwork } from './network.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

const start = Date.UTC(2032, 7, 3, 10, 0, 5);
const random = seeded('metrics');

async function started(clock: FakeClock): Promise<TestNetwork> {
  const starting = startNetwork({ clock });
  let done = false;
  const noted = starting.then(() => {
    done = true;
  });
  await until(async () => {
    await clock.advance(100);
    return done;
  });
  await noted;
  return starting;
}

const scrape = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/metrics', agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    asked.on('error', reject);
    asked.end();
  });

test('packets change nothing that is scraped before the next snapshot, and there steps alone; the operator sees each', async () => {
  const clock = fakeClock(start);
  await using network = await started(clock);
  // A mix, started anew with metrics.
  const name = 'mix1.test';
  const path = join(network.folder, 'metrics.sock');
  await network.nodes.get(name)?.close();
  network.configs.set(name, { ...(network.configs.get(name) as NodeConfig), metrics: { listen: { path } } });
  const mix = await network.start(name);
  const entry = (await network.consensus()).consensus.nodes.find((node) => node.name === name);
  if (entry === undefined) throw new Error('it is not listed');
  const status = () => mix.status();
  await until(async () => (await status()).consensus !== null);

  // It takes what is not for its key as well: noise does.
  const { packetBytes } = (await network.consensus()).geometry;
  const noise = async (): Promise<void> => {
    const packet = random.bytes(packetBytes);
    packet[0] = 1; // of a packet
    expect(await network.handOver(entry, packet)).toMatchObject({ kind: 'sent' });
  };
  const before = await scrape(path);
  await noise();
  await until(async () => (await status()).counters.received.accepted === 1);
  await until(async () => (await status()).counts.inputs === 0);
  expect(await scrape(path)).toBe(before);

  for (let packets = 1; packets < 97; packets++) await noise();
  await until(async () => (await status()).counters.received.accepted === 97);
  expect(await scrape(path)).toBe(before);

  await clock.advance(snapshotMs);
  const shown = (outcome: string): RegExp =>
    new RegExp(`^postern_node_received_total{outcome="${outcome}"} (\\d+)$`, 'm');
  await until(async () => (await scrape(path)) !== before);
  const after = await scrape(path);
  // 97 of 32 to 96 each.
  expect(['64', '128', '192']).toContain(shown('accepted').exec(after)?.[1]);
  expect(shown('malformed').exec(after)?.[1]).toBe('0');
});
