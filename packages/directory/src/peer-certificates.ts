import { isBy, parseNote } from '@postern/protocol/codec';
import { covers, maxConsensusLength, verifyCertificate } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import { type Certificates, type HeldCertificate, openCertificates } from './client/certificates.ts';
import type { AuthorityConfig } from './config.ts';
import type { PastCertificate } from './store/past.ts';
import type { CertificateKind } from './store/said.ts';
import type { AuthorityStore } from './store.ts';

export type { HeldCertificate } from './client/certificates.ts';

/** Certificates of the other authorities' signing keys, kept in the store. */
export interface PeerCertificates extends Certificates {
  /** Adds those of keys that have signed what was taken. No others, which anybody may have fetched, take their place. */
  use(certificates: readonly string[]): Promise<void>;
  /** Keeps for good those of keys that have signed a consensus that was issued, of the ones at hand and of others that were verified. `at` is its time, Unix seconds. */
  keepOf(signed: string, at: number, more: readonly HeldCertificate[]): void;
  /** Those that are kept for good. */
  past(): readonly PastCertificate[];
  /** Verifies one, unless it has of late. */
  readonly read: typeof verifyCertificate;
}

export function openPeerCertificates(
  { peers }: AuthorityConfig,
  store: AuthorityStore,
  clock: Clock,
): PeerCertificates {
  const open = (kind: CertificateKind): Certificates => {
    let text = store.peerCertificates(kind);
    /** Of the text: it is long, and asked for with every request. */
    let read: readonly HeldCertificate[] | undefined;
    const certificates = openCertificates({
      authorities: peers.map(({ key }) => key),
      now: () => Math.floor(clock.now() / 1_000),
      store: {
        load: () => text,
        save(list) {
          store.keepPeerCertificates(kind, list);
          text = list;
          read = undefined;
          return Promise.resolve();
        },
      },
    });
    const held = (): readonly HeldCertificate[] => {
      read ??= certificates.held();
      return read;
    };
    return { ...certificates, held };
  };
  const [used, fetched] = [open('used'), open('fetched')];
  const held = (): HeldCertificate[] => {
    const first = used.held();
    const known = new Set(first.map(({ signed }) => signed));
    return [...first, ...fetched.held().filter(({ signed }) => !known.has(signed))];
  };
  const noted = new Set<string>();
  const keptForGood = new Set<string>();
  let past: readonly PastCertificate[] | undefined;
  const keep = (certificates: readonly HeldCertificate[]): void => {
    store.keepPast(
      certificates.map(({ key, signed }) => ({ signed, authority: key.name, validUntil: key.validUntil })),
      mostOfOne,
    );
    past = undefined;
  };
  // a store that is older than these: of the keys by which its consensuses are signed there are still those at hand
  if (store.latest() !== undefined && store.past().length === 0) keep(held());
  return {
    held,
    keys: () => held().map(({ key }) => key),
    take: (...lists) => fetched.take(...lists),
    async use(certificates) {
      const fresh = certificates.filter((signed) => !noted.has(signed));
      if (fresh.length === 0) return;
      await used.take(JSON.stringify(fresh));
      remember(noted, fresh);
    },
    keepOf(signed, at, more) {
      const signatures = parseNote(signed, maxConsensusLength)?.signatures ?? [];
      const all = [...more, ...held()];
      const needed = signatures.flatMap(
        (signature) => all.find(({ key }) => isBy(signature, key) && covers(key, at)) ?? [],
      );
      const fresh = needed.filter((one) => !keptForGood.has(one.signed));
      if (fresh.length === 0) return;
      keep(fresh);
      remember(
        keptForGood,
        fresh.map((one) => one.signed),
      );
    },
    past() {
      past ??= store.past();
      return past;
    },
    read: remembering(),
  };
}

/** Certificates of one authority that are kept for good: of 85 years of monthly keys. One that has more than it needs does harm to itself alone. */
const mostOfOne = 1_024;

/** Most texts remembered: as many as 64 authorities have at a time, and as many again. */
const mostRemembered = 128;

/** Verifies a certificate, unless it has of late. */
export function remembering(): typeof verifyCertificate {
  const known = new Map<string, ReturnType<typeof verifyCertificate>>();
  return (signed, reader) => {
    const before = known.get(signed);
    if (before !== undefined) return before;
    const verified = verifyCertificate(signed, reader);
    if (verified.kind === 'certificate') known.set(signed, verified);
    if (known.size > mostRemembered) known.delete(known.keys().next().value as string);
    return verified;
  };
}

function remember(noted: Set<string>, texts: readonly string[]): void {
  for (const text of texts) noted.add(text);
  for (const text of noted) if (noted.size > mostRemembered) noted.delete(text);
}
