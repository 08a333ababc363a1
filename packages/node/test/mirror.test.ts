import { join } from 'node:path';
import { createDirectoryClient } from '@postern/directory/client';
import { systemClock } from '@postern/runtime';
import { expect, test } from 'vitest';
import type { NodeConfig } from '../src/index.ts';
import { startNetwork } from './network.ts';

test('a node that mirrors gives readers the consensus and the parameters, and one that does not serves nothing', async () => {
  await using network = await startNetwork();
  const [plain] = network.nodes.values();
  expect(plain?.mirror).toBeUndefined();
  await network.nodes.get('mix1.test')?.close();
  const config = network.configs.get('mix1.test') as NodeConfig;
  network.configs.set('mix1.test', {
    ...config,
    mirror: { listen: { host: '127.0.0.1', port: 0 }, url: '' },
  });
  const node = await network.start('mix1.test');
  await node.ready;
  const { digest, consensus } = await network.consensus();
  const vkey = network.authority.vkey;
  await network.authority.close();
  const reader = createDirectoryClient({
    urls: [node.mirror ?? ''],
    authorities: [vkey],
    threshold: 1,
    cacheDir: join(network.folder, 'reader'),
    clock: systemClock,
  });
  expect((await reader.current()).digest).toBe(digest);
  expect(await reader.parameters()).toMatchObject({ epochSeconds: consensus.epochSeconds });
  await node.close();
  await expect(fetch(`${node.mirror}/v1/consensus`)).rejects.toThrow('fetch failed');
});
