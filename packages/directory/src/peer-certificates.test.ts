import { testAuthority } from '@postern/protocol/testing';
import { expect, test, vi } from 'vitest';
import { openPeerCertificates } from './peer-certificates.ts';
import type { CertificateKind } from './store/said.ts';
import type { AuthorityStore } from './store.ts';
import { configFor } from './testing/authorities.ts';
import { FakeClock } from './testing/clock.ts';

const clock = new FakeClock();
const now = Math.floor(clock.now() / 1_000);
const year = 31_536_000;
const certified = (generation: number): string => {
  const change = { validAfter: now, validUntil: now + year - generation };
  return testAuthority('authority2.test', { now, generation, change }).certificate;
};
/** The key that it signs with ends first. */
const [used = '', ...later] = [9, 1, 2, 3, 4, 5, 6, 7, 8].map(certified);

test('no certificates that an authority hands out take the place of one that was used, and it lasts', async () => {
  const lists = new Map<CertificateKind, string>();
  const store = {
    peerCertificates: (kind) => lists.get(kind),
    keepPeerCertificates: (kind, list) => void lists.set(kind, list),
  } satisfies Partial<AuthorityStore> as AuthorityStore;
  const peers = ['authority2.test', 'authority3.test'].map((name) => {
    const { vkey } = testAuthority(name, { now });
    return { url: `http://${name}`, key: vkey };
  });
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
