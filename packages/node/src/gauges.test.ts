import { createMetrics } from '@postern/runtime';
import { expect, test } from 'vitest';
import { NodeError } from './errors.ts';
import { addGauges } from './gauges.ts';
import type { Spool } from './spool.ts';
import type { Parts } from './wiring.ts';

test('whether the spool answers is shown as it is at the snapshot', async () => {
  const counts = { inputs: 7, relays: 7, fragments: 7, deliveries: 7 };
  let answer = async (): Promise<Awaited<ReturnType<Spool['counts']>>> => counts;
  const metrics = createMetrics();
  const late = Promise.withResolvers<void>();
  const clock = { now: () => 0, wait: () => late.promise };
  const parts = {
    clock,
    config: { dataDir: '/', delivery: undefined },
    epochs: { epoch: 1 },
    topology: { valid: () => undefined },
    spool: { counts: () => answer() },
  } as unknown as Parts;
  addGauges(metrics, parts, { counted: () => false, proof: () => 'unasked' });
  expect(await metrics.text()).toMatch(/^postern_node_spool_answers 1$/m);
  answer = () => Promise.reject(new NodeError('spool-io', 'no connection to Redis'));
  expect(await metrics.text()).toMatch(/^postern_node_spool_answers 0$/m);
  // One that hangs keeps no other series back.
  answer = () => new Promise(() => undefined);
  late.resolve();
  expect(await metrics.text()).toMatch(/^postern_node_spool_answers 0$/m);
});
