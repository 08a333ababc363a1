import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { noteOf, readCertifiedConsensus } from '@postern/protocol/consensus';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAlarms } from '../alarms.ts';
import { openLog } from '../log/log.ts';
import { openStore } from '../store.ts';
import { createChain } from '../testing/chain.ts';
import { keepingLog } from '../testing/log.ts';
import { others, ours } from '../testing/readers.ts';
import { createLedger, type Noted } from './ledger.ts';
import type { Members } from './members.ts';

let folder = '';
beforeAll(async () => {
  folder = await storesFolder('ledger');
});
afterAll(() => rm(folder, { recursive: true }));

const signers = [ours, others];
const signingKeys = signers.map(({ signingKey }) => signingKey);
const members: Members = {
  name: ours.name,
  names: signers.map(({ name }) => name),
  others: [],
  threshold: 2,
  authorities: signers.map(({ key }) => key),
  signingKeys,
  signerFor: () => ours,
  validUntil: () => 0,
};

function noted(signed: string): Noted {
  const certified = [signed, ...signers.map(({ certificate }) => certificate)].join('\n');
  const read = readCertifiedConsensus(certified, members);
  if (read.kind === 'refused') throw new Error(read.detail);
  return read;
}

test('a consensus that enough have signed, and that names another log than there is, is a fork and not issued', () => {
  using store = openStore(join(folder, 'authority.sqlite'));
  const issued: number[] = [];
  const alarms = createAlarms(keepingLog().log);
  const history = openLog(store);
  const ledger = createLedger({ store, history, members, alarms, issued: ({ epoch }) => issued.push(epoch) });
  const chain = createChain(signers);
  expect(ledger.admit(noted(chain.issue(1_000)))).toBe('issued');
  for (const log of [
    { size: 1, root: 'ab'.repeat(32) },
    { size: 2, root: chain.log.head().root },
  ]) {
    const other = noted(chain.branch().issue(1_001, { log }));
    expect(ledger.admit(other)).toBe('fork');
    expect(ledger.append({ read: other, signed: noteOf(other.note) })).toBe('unlinked');
  }
  expect(alarms.standing).toMatchObject([{ kind: 'fork' }]);
  expect(ledger.admit(noted(chain.issue(1_001)))).toBe('issued');
  expect([issued, history.head()]).toEqual([[1_000, 1_001], chain.log.head()]);
});
