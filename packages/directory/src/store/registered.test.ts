import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { verifyDescriptor } from '@postern/protocol/consensus';
import { storesFolder } from '@postern/runtime/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openStore } from '../store.ts';
import { start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';

test('nodes are forgotten in one change, all or none of them', async () => {
  const folder = await storesFolder('registered');
  onTestFinished(() => rm(folder, { recursive: true }));
  using store = openStore(join(folder, 'authority.sqlite'));
  for (const name of ['mix1.test', 'mix2.test', 'mix3.test']) {
    const signed = signedNode(name, start);
    const verified = verifyDescriptor(signed);
    if (verified.kind === 'descriptor') store.put({ ...verified, signed });
  }
  const ids = ['mix1.test', 'mix2.test'].map((name) => store.holderOfName(name) ?? '');

  const failing = vi.spyOn(StatementSync.prototype, 'run').mockImplementationOnce(() => {
    throw new Error('no room');
  });
  expect(() => store.removeAll(ids)).toThrow('no room');
  failing.mockRestore();
  expect(store.registered.size).toBe(3);

  const executed = vi.spyOn(DatabaseSync.prototype, 'exec');
  store.removeAll(ids);
  store.removeAll([]);
  expect(executed.mock.calls.flat()).toEqual(['BEGIN IMMEDIATE', 'COMMIT']);
  executed.mockRestore();
  expect([...store.registered.values()].map(({ descriptor }) => descriptor.name)).toEqual(['mix3.test']);
  expect(store.holderOfName('mix1.test')).toBeUndefined();
});
