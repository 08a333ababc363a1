import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { consensusDigest, formatTold } from '@postern/protocol/consensus';
import { beforeEach, describe, expect, test } from 'vitest';
import type { SendOutcome } from '../src/index.ts';
import { type Network, startNetwork } from './network.ts';
import { introduce, message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);
const letter = message({ From: 'alice@a.test', To: 'bob@b.test' });

let network: Network;
let alice: Person;
beforeEach(async () => {
  network = await startNetwork({ now });
  alice = await person(network, 'alice@a.test', now);
  await introduce(network, alice, await person(network, 'bob@b.test', now));
});

const tell = (digest: string, epoch = network.consensus.epoch): void => {
  for (const mix of network.mixes) mix.offers = () => [formatTold({ epoch, digest })];
};
const send = async (): Promise<Extract<SendOutcome, { kind: 'sent' }>> => {
  const outcome = await alice.client.send(letter, { timeoutMs: 1 });
  if (outcome.kind === 'sent') return outcome;
  throw new Error(outcome.problems.map((problem) => problem.message).join('; '));
};

describe('a first mix', () => {
  test('that goes by the same consensus, or by that of another epoch, gets the packets', async () => {
    tell(consensusDigest(network.consensus));
    expect(await send()).toMatchObject({ submitted: 1, pending: 0 });
    tell('a'.repeat(64), network.consensus.epoch + 1);
    expect(await send()).toMatchObject({ submitted: 1, pending: 0 });
  });

  test('that goes by another one for the epoch gets nothing, until it does not', async () => {
    tell('a'.repeat(64));
    expect(await send()).toMatchObject({
      submitted: 0,
      pending: 1,
      waiting: [{ reason: 'declined', packets: 1 }],
    });
    expect(network.packets()).toEqual([]);
    tell(consensusDigest(network.consensus));
    expect(await alice.client.flush()).toMatchObject({ submitted: 1, pending: 0 });
  });

  test('that can be shown to go by another one proves it, and nothing is sent to anybody', async () => {
    network.other = { ...network.consensus, meanDelayMs: 7 };
    tell(consensusDigest(network.other));
    expect(await send()).toMatchObject({ submitted: 0, waiting: [{ reason: 'declined' }] });
    for (const mix of network.mixes) mix.offers = () => [];
    expect(await alice.client.flush({ timeoutMs: 1 })).toMatchObject({
      submitted: 0,
      waiting: [{ reason: 'no-consensus' }],
    });
    await expect(alice.client.route()).rejects.toMatchObject({ name: 'DirectoryError', code: 'fork' });
    const proof = JSON.parse(await readFile(join(alice.client.paths.consensus, 'fork'), 'utf8'));
    expect(proof.documents).toHaveLength(2);
    expect(network.packets()).toEqual([]);
  });
});
