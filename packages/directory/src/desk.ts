import {
  epochAt,
  type Parameters,
  signParameters,
  staleEpochs,
  type Trust,
  writeGeometry,
} from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import { lateEpochs } from './agree/signatures.ts';
import type { Alarms } from './alarms.ts';
import { allCertificates } from './all-certificates.ts';
import { type Certificates, certificateAftermath } from './client/certificates.ts';
import type { AuthorityConfig } from './config.ts';
import { explain } from './due.ts';
import type { Epochs } from './epochs.ts';
import type { SigningKeys } from './keys/signing.ts';
import { type ConsensusLog, createCheckpoint } from './log/log.ts';
import type { Counters } from './observe.ts';
import type { Outages } from './outages/outages.ts';
import { renderPage } from './page/page.ts';
import { createView } from './page/view.ts';
import type { PeerCertificates } from './peer-certificates.ts';
import type { Desk } from './publish/publish.ts';
import { rateLimits } from './register/limits.ts';
import { register } from './register/register.ts';
import { showRegistered } from './register/show.ts';
import type { AuthorityStore, Issued } from './store.ts';

interface DeskOptions {
  readonly config: AuthorityConfig;
  readonly clock: Clock;
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: ConsensusLog;
  readonly keys: SigningKeys;
  /** Of the others' signing keys. */
  readonly certificates: Pick<PeerCertificates, 'held' | 'past'>;
  /** All authorities, with the keys of which there are certificates here. */
  trust(): Omit<Trust, 'threshold'>;
  readonly epochs: Epochs;
  readonly counters: Counters;
  readonly alarms: Alarms;
  readonly outages: Outages;
  /** What readers are given as the newest. */
  current(): Issued | undefined;
}

/** What an authority says over HTTP, and takes. */
export function deskOf(options: DeskOptions): Desk {
  const { config, clock, store, history, keys, certificates, epochs, counters, outages, current } = options;
  const limits = rateLimits(config.epochSeconds);
  const shown = showRegistered(store);
  const epochNow = (): number => epochAt(clock.now() / 1_000, config.epochSeconds);
  const heldUp = (): string | undefined => {
    const holdup = epochs.holdup();
    return holdup && explain(holdup);
  };
  const view = createView({
    ...options,
    heldUp,
    alarms: () => options.alarms.standing,
    outages: () => outages.state(),
  });
  return {
    register(signed) {
      const outcome = register(signed, { config, store, limits, now: clock.now() });
      counters.descriptors.add(outcome.kind === 'refused' ? outcome.reason : outcome.kind);
      if (outcome.kind === 'registered' && outcome.isNew) epochs.conclude();
      return outcome;
    },
    outages: () => outages.notices(),
    page: () => renderPage(view()),
    current,
    issued: (epoch) => store.issued(epoch),
    registered: (id) => shown(id, current()),
    history,
    checkpoint: createCheckpoint(history, () => keys.signerFor(Math.floor(clock.now() / 1_000))),
    parameters: epochs.parameters,
    certificates: () => certificatesOf(keys, certificates, clock),
    allCertificates: () => allCertificates([...keys.own(), ...certificates.held()], certificates.past()),
    isOpen: (epoch) => config.peers.length > 0 && epoch >= epochNow() - lateEpochs,
    now: () => clock.now(),
    receiveBallot: epochs.receiveBallot,
    receiveSigned: epochs.receiveSigned,
    passed: epochs.passed,
    passedOn: epochs.passedOn,
    holdings: () => holdingsOf(store),
    record: epochs.record,
    signedFor: epochs.signedFor,
    descriptor: (digest) => store.body(digest),
    health: () => ({ epoch: epochNow(), registered: store.registered.size }),
    freshFor(epoch) {
      if (epoch > epochNow()) return 0;
      return Math.max(0, Math.floor((epoch + 1) * config.epochSeconds - clock.now() / 1_000));
    },
  };
}

/** The newest consensus. One that has not begun is no good to anybody while an older one is valid. */
export function currentOf(store: AuthorityStore, epoch: number): Issued | undefined {
  const latest = store.latest();
  if (latest === undefined || latest.epoch <= epoch) return latest;
  const begun = store.newestUpTo(epoch);
  return begun !== undefined && epoch <= begun.epoch + staleEpochs ? begun : latest;
}

function holdingsOf(store: AuthorityStore): { first?: number; newest?: number } {
  const [first, newest] = [store.first(), store.latest()];
  return first === undefined || newest === undefined ? {} : { first: first.epoch, newest: newest.epoch };
}

/** Made anew when the signing key changes; undefined while there is none. */
export function signedParameters(
  config: AuthorityConfig,
  clock: Clock,
  keys: SigningKeys,
): () => string | undefined {
  let signed: { readonly keyId: number; readonly note: string } | undefined;
  return () => {
    const signer = keys.signerFor(Math.floor(clock.now() / 1_000));
    if (signer === undefined) return undefined;
    if (signed?.keyId !== signer.keyId)
      signed = { keyId: signer.keyId, note: signParameters(parametersOf(config), [signer]) };
    return signed.note;
  };
}

function certificatesOf(keys: SigningKeys, others: Pick<Certificates, 'held'>, clock: Clock): string[] {
  const oldest = Math.floor(clock.now() / 1_000) - certificateAftermath;
  return [...keys.own(), ...others.held()].flatMap(({ key, signed }) =>
    key.validUntil > oldest ? [signed] : [],
  );
}

function parametersOf({ epochSeconds, meanDelayMs, geometry }: AuthorityConfig): Parameters {
  return { version: 1, epochSeconds, meanDelayMs, geometry: writeGeometry(geometry) };
}
