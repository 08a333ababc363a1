import { epochAt } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import type { Alarm, Alarms } from './alarms.ts';
import type { AuthorityConfig } from './config.ts';
import { explain, type Holdup } from './due.ts';
import type { Epochs } from './epochs.ts';
import { isEnding } from './keys/reminder.ts';
import type { SigningKeys } from './keys/signing.ts';
import type { Counters } from './observe.ts';
import type { OutageState, Outages } from './outages/outages.ts';
import type { AuthorityStore } from './store.ts';

export interface AuthorityStatus {
  readonly name: string;
  readonly url: string;
  readonly vkey: string;
  /** By its clock. */
  readonly epoch: number;
  readonly registered: number;
  /** So many must have registered for the first consensus. */
  readonly bootstrapNodes: number;
  /** The other authorities; none for one that agrees with itself. */
  readonly peers: readonly PeerStatus[];
  /** How many authorities have to sign. */
  readonly threshold: number;
  /** What an operator has to know of. */
  readonly alarms: readonly Alarm[];
  /** Which mixes cannot be reached, and who says so. */
  readonly outages: OutageState;
  /** Until when it can sign. */
  readonly signingKey: { readonly until: string; readonly ending: boolean };
  /** Why there is no consensus of this epoch yet. */
  readonly heldUp?: { readonly reason: Holdup['kind']; readonly why: string };
  /** The newest consensus, unless there is none yet. */
  readonly consensus?: { readonly epoch: number; readonly digest: string; readonly freshUntil: string };
  /** Outcomes since the start. */
  readonly counters: Readonly<Record<keyof Counters, Readonly<Record<string, number>>>>;
}

export interface PeerStatus {
  readonly name: string;
  readonly url: string;
  /** Whether it has answered the last question. */
  readonly answers: boolean;
  /** Why it does not; absent until it has been asked. */
  readonly why?: string;
  /** How far its clock is ahead, seconds; absent until it has said. */
  readonly aheadSeconds?: number;
}

interface Shown {
  readonly config: AuthorityConfig;
  readonly clock: Clock;
  readonly store: AuthorityStore;
  readonly epochs: Epochs;
  readonly counters: Counters;
  readonly alarms: Pick<Alarms, 'standing'>;
  readonly outages: Pick<Outages, 'state'>;
  readonly keys: SigningKeys;
  readonly url: string;
}

/** How an authority does, for its operator. */
export function statusOf(shown: Shown): AuthorityStatus {
  const { config, clock, store, epochs, counters, keys, url } = shown;
  const latest = store.latest();
  const holdup = epochs.holdup();
  const until = keys.validUntil();
  const own = {
    name: config.name,
    url,
    vkey: keys.vkey,
    epoch: epochAt(clock.now() / 1_000, config.epochSeconds),
    registered: store.registered.size,
    bootstrapNodes: config.bootstrap.nodes,
    peers: config.peers.map(({ name, url }): PeerStatus => {
      const { answeredMs, aheadMs, why } = epochs.seen.get(name) ?? {};
      const ahead = aheadMs === undefined ? {} : { aheadSeconds: Math.round(aheadMs / 1_000) };
      return { name, url, answers: answeredMs !== undefined, ...(why && { why }), ...ahead };
    }),
    threshold: config.threshold,
    alarms: shown.alarms.standing,
    outages: shown.outages.state(),
    signingKey: {
      until: new Date(until * 1_000).toISOString(),
      ending: isEnding(until, clock.now() / 1_000),
    },
    counters: { descriptors: counters.descriptors.values(), consensus: counters.consensus.values() },
    ...(holdup && { heldUp: { reason: holdup.kind, why: explain(holdup) } }),
  };
  if (latest === undefined) return own;
  const freshUntil = new Date((latest.epoch + 1) * config.epochSeconds * 1_000).toISOString();
  return { ...own, consensus: { epoch: latest.epoch, digest: latest.digest, freshUntil } };
}
