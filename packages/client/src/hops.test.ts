import { DirectoryError, type VerifiedConsensus } from '@postern/directory/client';
import type { Consensus, NodeEntry } from '@postern/protocol/consensus';
import { expect, test } from 'vitest';
import { hopTo } from './hops.ts';

const id = 'ab'.repeat(32);
const mix = (port: number, layer = 1): NodeEntry => ({
  id,
  name: 'mix1.test',
  roles: [layer > 0 ? 'mix' : 'delivery'],
  smtp: { host: 'mix1.test', port },
  tlsPins: ['cd'.repeat(32)],
  family: '',
  domains: [],
  mirror: '',
  layer,
  mixKey: '',
  capacity: 64,
});
const consensusOf = (...nodes: NodeEntry[]): Consensus => ({ nodes }) as unknown as Consensus;
const hop = async (now: Consensus | undefined, ...before: Consensus[]): Promise<unknown> => {
  const found = await hopTo(
    { kind: 'node', id },
    {
      account: undefined,
      mailbox: 'alice@a.test',
      async current() {
        if (now === undefined) throw new DirectoryError('stale', 'there is none');
        return { consensus: now } as VerifiedConsensus;
      },
      recent: async () => before,
    },
  );
  return found.kind === 'hop' ? found.peer : found.kind;
};

test('a first mix that is not drawn any more is known by the newest consensus that has it as one', async () => {
  expect(await hop(consensusOf(mix(25)), consensusOf(mix(26)))).toMatchObject({ port: 25 });
  expect(await hop(consensusOf(), consensusOf(), consensusOf(mix(26)), consensusOf(mix(27)))).toMatchObject({
    port: 26,
  });
  expect(await hop(consensusOf(mix(25, 0)), consensusOf(mix(26)))).toMatchObject({ port: 26 });
  expect(await hop(consensusOf(), consensusOf())).toBe('unknown');
});

test('without a consensus that holds nothing is known', async () => {
  expect(await hop(undefined, consensusOf(mix(25)))).toBe('no-consensus');
});
