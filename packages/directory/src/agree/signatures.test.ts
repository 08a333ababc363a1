import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseNote } from '@postern/protocol/codec';
import {
  type CertifiedSigner,
  decodeConsensus,
  joinSignatures,
  maxConsensusLength,
  noteIn,
  readConsensus,
  signCertifiedConsensus,
} from '@postern/protocol/consensus';
import { testAuthority } from '@postern/protocol/testing';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createAlarms } from '../alarms.ts';
import { openLog } from '../log/log.ts';
import { openStore } from '../store.ts';
import { createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { others, ours } from '../testing/readers.ts';
import { createLedger } from './ledger.ts';
import type { Members } from './members.ts';
import { createSignatures } from './signatures.ts';

let folder = '';
beforeAll(async () => {
  folder = await storesFolder('signatures');
});
afterAll(() => rm(folder, { recursive: true }));

const epoch = 1_000;
const now = Math.floor(start / 1_000);
/** Keys of the faulty one of which nobody has been told. */
const [second, third] = [2, 3].map((generation) => testAuthority(others.name, { now, generation }));
const { consensus } = decodeConsensus(createChain([ours]).issue(epoch)) as NonNullable<
  ReturnType<typeof decodeConsensus>
>;
const signedBy = (signer: CertifiedSigner): string => signCertifiedConsensus(consensus, signer);

const members: Members = {
  name: ours.name,
  names: [ours.name, others.name],
  others: [],
  threshold: 2,
  authorities: [ours.key, others.key],
  signingKeys: [ours.signingKey],
  signerFor: () => ours,
  validUntil: () => 0,
};

function open() {
  const store = openStore(join(folder, `${expect.getState().currentTestName}.sqlite`.replaceAll(/\W/g, '_')));
  const alarms = createAlarms(keepingLog().log);
  const history = openLog(store);
  const ledger = createLedger({ store, history, members, alarms, issued: () => {} });
  const certified = vi.fn<(certificates: readonly string[]) => void>();
  const signatures = createSignatures({
    store,
    members,
    ledger,
    alarms,
    epochSeconds,
    certified,
    epochAt: () => epoch,
  });
  return { store, signatures, certified, receive: (signed: string) => signatures.receive(signed, start) };
}

/** With lines of 63 others under it, of which nobody can say whether they hold. */
function padded(signed: string): string {
  const note = noteIn(signed);
  const lines = Array.from({ length: 63 }, (_, at) => `\u2014 junk${at}.test AAAAAAAA\n`).join('');
  return note + lines + signed.slice(note.length);
}

test('a document that is padded is not taken, and what is issued is what readers can read', () => {
  const { store, signatures, receive } = open();
  using _ = store;
  expect(receive(padded(signedBy(others)))).toMatchObject({ kind: 'refused', reason: 'no-ballot' });
  expect(receive(noteIn(signedBy(others)))).toMatchObject({ kind: 'refused', reason: 'no-ballot' });
  expect(receive(signedBy(others))).toEqual({ kind: 'taken' });
  signatures.own({ epoch, digest: '', signed: signedBy(ours) });
  const { signed = '' } = store.issued(epoch) ?? {};
  const readers = { authorities: members.authorities, signingKeys: [ours.signingKey, others.signingKey] };
  expect(readConsensus(signed, readers)).toMatchObject({ signedBy: members.names });
  expect(parseNote(signed, maxConsensusLength)?.signatures).toHaveLength(2);
});

test('what could not be issued since the store failed is issued when a signature comes again', () => {
  const { store, signatures, receive } = open();
  using _ = store;
  signatures.own({ epoch, digest: '', signed: signedBy(ours) });
  vi.spyOn(store, 'issue').mockImplementationOnce(() => {
    throw new Error('no room');
  });
  expect(() => receive(signedBy(others))).toThrow('no room');
  expect(receive(signedBy(others))).toEqual({ kind: 'taken' });
  expect(store.latest()?.epoch).toBe(epoch);
});

test('of one authority there is one signature, with however many keys it signs, and the certificate comes with it', () => {
  const { store, signatures, receive, certified } = open();
  using _ = store;
  for (const signer of [second, third, others]) receive(signedBy(signer as CertifiedSigner));
  expect(certified).toHaveBeenLastCalledWith([second?.certificate]);
  signatures.own({ epoch, digest: '', signed: signedBy(ours) });
  for (const signer of [third, others]) receive(signedBy(signer as CertifiedSigner));
  const note = parseNote(store.issued(epoch)?.signed ?? '', maxConsensusLength);
  expect(note?.signatures.map(({ keyId }) => keyId)).toEqual([ours.keyId, second?.keyId]);
});

test('parameters are joined under signatures that hold, one of each authority', () => {
  const signed = createChain([ours]).issue(epoch);
  const more = createChain([second, third, others] as (typeof ours)[]).issue(epoch);
  const signingKeys = [ours, second, third, others].flatMap((one) => one?.signingKey ?? []);
  const options = { signingKeys, at: now, maxLength: maxConsensusLength };
  const bad = more.replace(/(?<=\n\u2014 authority2\.test .{200})./u, (one) => (one === 'A' ? 'B' : 'A'));
  const note = parseNote(joinSignatures(signed, bad, options) ?? '', maxConsensusLength);
  expect(note?.signatures.map(({ keyId }) => keyId)).toEqual([ours.keyId, third?.keyId]);
});
