import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { testAuthority } from '@postern/protocol/testing';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { allCertificates } from './all-certificates.ts';
import { openPeerCertificates } from './peer-certificates.ts';
import type { CertificateKind } from './store/said.ts';
import { type AuthorityStore, openStore } from './store.ts';
import { configFor } from './testing/authorities.ts';
import { createChain } from './testing/chain.ts';
import { epochSeconds, FakeClock } from './testing/clock.ts';

const clock = new FakeClock();
const now = Math.floor(clock.now() / 1_000);
const year = 31_536_000;
const certified = (generation: number): string => {
  const change = { validAfter: now, validUntil: now + year - generation };
  return testAuthority('authority2.test', { now, generation, change }).certificate;
};
/** The key that it signs with ends first. */
const [used = '', ...later] = [9, 1, 2, 3, 4, 5, 6, 7, 8].map(certified);

const peers = ['authority2.test', 'authority3.test'].map((name) => {
  const { vkey } = testAuthority(name, { now });
  return { url: `http://${name}`, key: vkey };
});

test('no certificates that an authority hands out take the place of one that was used, and it lasts', async () => {
  const lists = new Map<CertificateKind, string>();
  const store = {
    peerCertificates: (kind) => lists.get(kind),
    keepPeerCertificates: (kind, list) => void lists.set(kind, list),
    latest: () => undefined,
  } satisfies Partial<AuthorityStore> as AuthorityStore;
  const config = configFor('/nowhere', { peers });
  const certificates = openPeerCertificates(config, store, clock);
  await certificates.take(JSON.stringify([used]));
  await certificates.take(JSON.stringify(later));
  const held = (): string[] => certificates.held().map(({ signed }) => signed);
  expect(held()).not.toContain(used);
  await certificates.use([used]);
  await certificates.take(JSON.stringify(later));
  expect(held()).toEqual([used, ...later]);
  const parsed = vi.spyOn(JSON, 'parse');
  for (let times = 0; times < 3; times++) expect(certificates.keys()).toHaveLength(1 + later.length);
  expect(parsed).not.toHaveBeenCalled();
  parsed.mockRestore();
  const again = openPeerCertificates(config, store, clock);
  expect(again.held().map(({ signed }) => signed)).toEqual(held());
});

describe('certificates of keys that have signed a consensus that was issued', () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
  const openedIn = async (folder?: string) => {
    const made = folder ?? (await storesFolder('certificates'));
    folders.push(...(folder === undefined ? [made] : []));
    const store = openStore(join(made, 'authority.sqlite'));
    const later = new FakeClock();
    const open = (change: object = { peers }) => openPeerCertificates(configFor(made, change), store, later);
    return { folder: made, store, clock: later, open };
  };
  const signer = testAuthority('authority2.test', { now });
  const held = { signed: signer.certificate, key: signer.signingKey };
  const document = createChain([signer]).issue(1_000);
  const at = 1_000 * epochSeconds;

  test('are kept for good, of authorities too that are none any more', async () => {
    const { folder, store, clock: later, open } = await openedIn();
    const certificates = open();
    await certificates.take(JSON.stringify([signer.certificate]));
    certificates.keepOf(document, at, []);
    later.moveTo(later.now() + 2 * year * 1_000);
    await certificates.take(
      JSON.stringify([testAuthority('authority3.test', { now: now + 2 * year }).certificate]),
    );
    expect(certificates.held().map(({ key }) => key.name)).toEqual(['authority3.test']);
    const kept = {
      authority: signer.name,
      validUntil: signer.signingKey.validUntil,
      signed: signer.certificate,
    };
    expect(certificates.past()).toEqual([kept]);
    store[Symbol.dispose]();
    const again = await openedIn(folder);
    using _ = again.store;
    expect(again.open({ peers: peers.slice(1) }).past()).toEqual([kept]);
  });

  test('are those at hand in a store of before they were kept, and only once', async () => {
    const { folder, store, open } = await openedIn();
    const certificates = open();
    await certificates.take(JSON.stringify([signer.certificate]));
    expect(open().past()).toEqual([]);
    store.issue({ epoch: 1_000, digest: 'ab'.repeat(32), signed: document });
    expect(
      open()
        .past()
        .map(({ signed }) => signed),
    ).toEqual([signer.certificate]);
    await certificates.take(JSON.stringify([testAuthority('authority3.test', { now }).certificate]));
    store[Symbol.dispose]();
    const again = await openedIn(folder);
    using _ = again.store;
    expect(
      again
        .open()
        .past()
        .map(({ signed }) => signed),
    ).toEqual([signer.certificate]);
  });

  test('are those by which it is verified, and no others', async () => {
    const { store, open } = await openedIn();
    using _ = store;
    const certificates = open();
    const other = testAuthority('authority3.test', { now });
    const over = testAuthority(signer.name, { now, change: { validAfter: 0, validUntil: at } });
    certificates.keepOf(document, at, [
      { signed: other.certificate, key: other.signingKey },
      { signed: over.certificate, key: over.signingKey },
      held,
    ]);
    expect(certificates.past().map(({ signed }) => signed)).toEqual([signer.certificate]);
    const kept = vi.spyOn(store, 'keepPast');
    certificates.keepOf(document, at, [held]);
    expect(kept).not.toHaveBeenCalled();
  });

  test('are of one authority no more than so many, those that end last', async () => {
    const { store } = await openedIn();
    using _ = store;
    const of = (authority: string, validUntil: number) => ({
      authority,
      validUntil,
      signed: `${authority} ${validUntil}`,
    });
    store.keepPast([of('a.test', 1), of('b.test', 1)], 3);
    store.keepPast(
      [5, 3, 2, 4].map((validUntil) => of('a.test', validUntil)),
      3,
    );
    expect(store.past().map(({ signed }) => signed)).toEqual([
      'a.test 3',
      'a.test 4',
      'a.test 5',
      'b.test 1',
    ]);
  });

  test('are given out in turn, as many as are read, so that one that has many takes no room from others', () => {
    const many = Array.from({ length: 50 }, (_, place) => ({
      authority: 'x.test',
      validUntil: 1_000 + place,
      signed: `x ${1_000 + place}`,
    }));
    const few = [1, 2].map((validUntil) => ({ authority: 'a.test', validUntil, signed: `a ${validUntil}` }));
    const first = [signer.certificate, 'x 1049', 'a 2', 'x 1048', 'a 1', 'x 1047'];
    const size = Buffer.byteLength(JSON.stringify(first));
    expect(allCertificates([held], [...many, ...few], size)).toEqual(first);
    expect(allCertificates([held], [...many, ...few], size - 1)).toEqual(first.slice(0, -1));
  });
});
