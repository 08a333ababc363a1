import { isStanding, staleEpochs, writeGeometry } from '@postern/protocol/consensus';
import type { AuthorityConfig } from '../config.ts';
import { type Holdup, holdupOf } from '../due.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { Slot } from '../slots.ts';
import type { Body } from '../store/bodies.ts';
import type { AuthorityStore, Issued } from '../store.ts';
import { earlierThan, type Standpoint } from './agree.ts';
import type { Draft } from './agreement.ts';
import { confirmations } from './confirm.ts';
import { votesIn } from './kept.ts';
import type { Members } from './members.ts';
import type { Preparation } from './preparation.ts';

/** What an authority has, and goes by. */
interface Holdings {
  readonly config: AuthorityConfig;
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly history: ConsensusLog;
}

interface DraftOptions extends Holdings {
  readonly preparation: Preparation;
  /** An epoch that the operator has found to be right. */
  readonly confirmedEpoch?: number;
}

/** What it would have, and the descriptors that this names. */
export interface Drafted {
  readonly draft: Draft;
  readonly standing: readonly Body[];
}

/** What this authority would have in the consensus, or why it says nothing (spec consensus 9.3). */
export function draftOf(
  { config, members, store, history, preparation, confirmedEpoch }: DraftOptions,
  { epoch, slot }: Pick<Slot, 'epoch' | 'slot'>,
  waitedMs: number,
): Drafted | Holdup {
  const { epochSeconds } = config;
  const latest = store.latest();
  const standing = [...store.registered.values()].filter(({ descriptor }) =>
    isStanding(descriptor, epoch, epochSeconds),
  );
  const { open } = standpointOf({ config, members, store, history }, epoch);
  // a vote says that its authority is there to sign: documents that too few can sign keep these from signing others
  if (open?.epoch === epoch) return { kind: 'signed-before', epoch };
  if (!preparation.maySign(epoch)) return unconfirmed(members);
  // what it has signed it cannot say, and a vote that says nothing of it would let others sign beside it
  if (open?.digest === '') return { kind: 'signed-before', epoch: open.epoch };
  const alone = members.others.length === 0;
  // another process, by a clock that was another one
  if (!alone && votesIn(store, members.name, { epoch, slot }).length > 0)
    return { kind: 'voted-before', slot };
  // a network has one history: nobody begins a second one because it has not got the first
  if (latest === undefined && preparation.othersHold()) return { kind: 'not-linked' };
  const holdup = holdupOf({
    epoch,
    epochSeconds,
    latest,
    confirmedEpoch,
    registered: store.registered.size,
    standing: standing.length,
    bootstrapNodes: config.bootstrap.nodes,
    waitedMs,
  });
  // several vote at a time of their own, and what is registered goes on growing
  if (holdup?.kind === 'few-nodes' && !alone) return { ...holdup, atVote: true };
  if (holdup !== undefined) return holdup;
  if (members.signerFor(epoch * epochSeconds) === undefined) return noKey(members);
  const draft: Draft = {
    previous: latest?.digest ?? '',
    signed: open?.digest ?? '',
    epochSeconds,
    geometry: writeGeometry(config.geometry),
    meanDelayMs: config.meanDelayMs,
    width: config.width,
    descriptors: standing.map(({ id, digest }) => ({ id, digest })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    revoked: [...new Set(config.revoked)].sort(),
  };
  return { draft, standing };
}

/** It has to ask others first. */
export function unconfirmed(members: Members): Holdup {
  return { kind: 'unconfirmed', wanted: confirmations(members) };
}

/** It has none for now. */
export function noKey(members: Members): Holdup {
  return { kind: 'no-signing-key', until: members.validUntil() };
}

/** What it holds the outcome of an agreement on an epoch against. */
export function standpointOf({ config, members, store, history }: Holdings, epoch: number): Standpoint {
  const latest = store.latest();
  const signed = store.lastSigned();
  // nobody uses a document that is not valid any more
  const isOpen = (one: Issued): boolean =>
    one.epoch > (latest?.epoch ?? -1) && one.epoch + staleEpochs >= epoch;
  return {
    epoch,
    epochSeconds: config.epochSeconds,
    members: members.names.length,
    threshold: members.threshold,
    latest,
    log: history.head(),
    open: signed !== undefined && isOpen(signed) ? signed : undefined,
    get earlier() {
      return earlierThan(epoch, (at) => store.issued(at));
    },
    body: (digest) => store.body(digest),
  };
}
