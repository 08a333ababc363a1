import type { Clock } from '@postern/runtime';
import { type Certificates, openCertificates } from './client/certificates.ts';
import type { AuthorityConfig } from './config.ts';
import type { AuthorityStore } from './store.ts';

/** Certificates of the other authorities' signing keys, kept in the store. */
export function openPeerCertificates(
  { peers }: AuthorityConfig,
  store: AuthorityStore,
  clock: Clock,
): Certificates {
  let text = store.peerCertificates();
  return openCertificates({
    authorities: peers.map(({ key }) => key),
    now: () => Math.floor(clock.now() / 1_000),
    shelf: {
      load: () => text,
      save(list) {
        text = list;
        store.keepPeerCertificates(list);
        return Promise.resolve();
      },
    },
  });
}
