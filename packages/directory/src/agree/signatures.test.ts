import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseNote } from '@postern/protocol/codec';
import {
  type CertifiedSigner,
  countersign,
  decodeConsensus,
  maxConsensusLength,
  noteIn,
  readConsensus,
  signCertifiedConsensus,
  verifyCertificate,
} from '@postern/protocol/consensus';
import { testAuthority } from '@postern/protocol/testing';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createAlarms } from '../alarms.ts';
import type { Receipt } from '../ballots.ts';
import { openLog } from '../log/log.ts';
import { openStore } from '../store.ts';
import { createChain } from '../testing/chain.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { others, ours } from '../testing/readers.ts';
import { createLedger } from './ledger.ts';
import type { Members } from './members.ts';
import { createSignatures, type Signatures, type SignaturesOptions } from './signatures.ts';

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

const known: Members = {
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
  const members = { ...known, readCertificate: verifyCertificate };
  const history = openLog(store);
  const ledger = createLedger({ store, history, members, alarms, issued: () => {} });
  const certified = vi.fn<(certificates: readonly string[]) => void>();
  const issued = vi.fn<SignaturesOptions['issued']>();
  /** As another process has them. */
  const again = (): Signatures =>
    createSignatures({
      store,
      members,
      ledger,
      alarms,
      epochSeconds,
      certified,
      issued,
      epochAt: () => epoch,
    });
  const signatures = again();
  const receive = (signed: string): Receipt => signatures.receive(signed, start);
  return { store, members, alarms, signatures, again, certified, issued, receive };
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
  const readers = { authorities: known.authorities, signingKeys: [ours.signingKey, others.signingKey] };
  expect(readConsensus(signed, readers)).toMatchObject({ signedBy: known.names });
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

test('what was issued is told with all certificates under it, and nothing that is not', () => {
  const { store, signatures, receive, issued } = open();
  using _ = store;
  receive(signCertifiedConsensus({ ...consensus, meanDelayMs: 1 }, others));
  receive(signedBy(others));
  expect(issued).not.toHaveBeenCalled();
  signatures.own({ epoch, digest: '', signed: signedBy(ours) });
  const [signed, at, certificates] = issued.mock.lastCall ?? [];
  expect(signed).toBe(store.issued(epoch)?.signed);
  expect(at).toBe(consensus.validAfter);
  expect(certificates?.map((one) => one.signed)).toEqual([ours.certificate, others.certificate]);
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

test('of one authority two documents are taken and kept, and no third one is looked at, after a restart either', () => {
  const opened = open();
  const { store, alarms, signatures, receive, members } = opened;
  using _ = store;
  const documentOf = (meanDelayMs: number): string =>
    signCertifiedConsensus({ ...consensus, meanDelayMs }, others);
  const kept = (): number[] =>
    store.keptDigests(epoch).map((one) => Number(/"meanDelayMs":(\d+)/.exec(store.keptNote(one))?.[1]));
  expect([documentOf(1), documentOf(2)].map(receive)).toEqual([{ kind: 'taken' }, { kind: 'taken' }]);
  expect(alarms.standing).toMatchObject([{ kind: 'signed-twice', about: others.name }]);
  const refusal = { kind: 'refused', reason: 'no-ballot', detail: 'who has signed it has signed two others' };
  const looked = vi.spyOn(members, 'readCertificate');
  for (const at of [3, 4]) expect(receive(documentOf(at))).toEqual(refusal);
  expect(kept().sort()).toEqual([1, 2]);
  expect(signatures.all(epoch)).toHaveLength(2);
  const again = opened.again();
  for (const at of [5, 6]) expect(again.receive(documentOf(at), start)).toEqual(refusal);
  expect(kept().sort()).toEqual([1, 2]);
  expect(looked).not.toHaveBeenCalled();
  // under another's signature as well it may still become a consensus
  expect(again.receive(countersign(documentOf(7), ours), start)).toEqual({ kind: 'taken' });
  expect(kept().sort()).toEqual([1, 2]);
});

test('what is of another epoch is not looked at', () => {
  const { store, receive, members } = open();
  using _ = store;
  const looked = vi.spyOn(members, 'readCertificate');
  for (const of of [epoch + 1, epoch - 3])
    expect(receive(signedBy(others).replace(`"epoch":${epoch},`, `"epoch":${of},`))).toMatchObject({
      reason: 'other-slot',
    });
  const newer = signedBy(others).replace('postern.consensus/v1', 'postern.consensus/v2');
  expect(receive(newer)).toMatchObject({ reason: 'no-ballot', detail: 'it is no consensus' });
  expect(looked).not.toHaveBeenCalled();
});
