import {
  consensusDigest,
  isRegistered,
  listRest,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import { agenda, authority1, mix, registered } from '@postern/protocol/testing';
import { expect, test, vi } from 'vitest';
import type { Shown } from '../registration.ts';
import { showRegistered } from './show.ts';

const few = { ...agenda, width: { least: 1, most: 1, perMix: 1 } };
const nodes = registered(Array.from({ length: 12 }, (_, at) => mix(`mix${at}.test`)));
const consensus = tabulate(nodes, few);
const digest = consensusDigest(consensus);
const current = { epoch: consensus.epoch, digest, signed: signConsensus(consensus, [authority1]) };
const list = listRest(nodes, few, consensus);

test('what is kept of a consensus is read once, however many ids are asked for', () => {
  const rest = vi.fn<() => typeof list>(() => list);
  const show = showRegistered({ rest });
  for (const { id, digest: descriptor } of list) {
    const { proof } = show(id, current) as Extract<Shown, { kind: 'registered' }>;
    expect(proof).toMatchObject({ consensus: digest, id, descriptor });
    expect(isRegistered({ id, digest: descriptor }, consensus.rest, proof)).toBe(true);
  }
  for (const { id } of consensus.nodes) expect(show(id, current)).toEqual({ kind: 'in-consensus' });
  expect(show('ab'.repeat(32), current)).toEqual({ kind: 'not-registered' });
  expect(rest).toHaveBeenCalledTimes(1);
});

test('what is kept late is shown from then on', () => {
  let kept: typeof list | undefined;
  const show = showRegistered({ rest: () => kept });
  const { id = '' } = list[0] ?? {};
  expect(show(id, undefined)).toEqual({ kind: 'not-kept' });
  expect(show(id, current)).toEqual({ kind: 'not-kept' });
  kept = list;
  expect(show(id, current).kind).toBe('registered');
});
