import { createHash } from 'node:crypto';
import {
  type Agenda,
  type Counted,
  commitTo,
  sharedValue,
  signReveal,
  signVote,
  type Vote,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import type { TestAuthority } from '@postern/protocol/testing';
import { epochSeconds } from './clock.ts';

/** What authorities say in the agreement on an epoch, each for no nodes. */
export interface Ballots {
  readonly votes: readonly string[];
  readonly reveals: readonly string[];
  /** What a consensus says of them. */
  readonly named: Pick<Agenda, 'votes' | 'reveals' | 'shared'>;
}

/** What the authority at this place commits itself to. */
export function secretOf(at: number): string {
  return (0xaa + at).toString(16).repeat(32);
}

/** A vote of an authority that reveals this value. */
export function voteOf(
  signer: TestAuthority,
  epoch: number,
  value: string,
  change: Partial<Vote> = {},
): string {
  const vote: Vote = {
    version: 1,
    epoch,
    slot: 0,
    authority: signer.name,
    previous: '',
    signed: '',
    epochSeconds,
    meanDelayMs: 200,
    width: { least: 10, most: 100, perMix: 1_000 },
    descriptors: [],
    revoked: [],
    geometry: writeGeometry(defaultGeometry),
    commit: commitTo(value),
    ...change,
  };
  return signVote(vote, signer);
}

export function revealOf(signer: TestAuthority, epoch: number, value: string): string {
  return signReveal({ version: 1, epoch, slot: 0, authority: signer.name, value }, signer);
}

/** As a consensus names ballots, each of one of these. */
export function countedOf(notes: readonly string[], signers: readonly TestAuthority[]): Counted[] {
  return notes.map((note, at) => ({
    authority: signers[at]?.name ?? '',
    digest: createHash('sha256')
      .update(note.slice(0, note.indexOf('\n\n') + 1))
      .digest('hex'),
  }));
}

export function ballotsFor(
  epoch: number,
  signers: readonly TestAuthority[],
  change: Partial<Vote> = {},
): Ballots {
  const votes = signers.map((signer, at) => voteOf(signer, epoch, secretOf(at), change));
  const reveals = signers.map((signer, at) => revealOf(signer, epoch, secretOf(at)));
  const shared = sharedValue(
    epoch,
    change.previous ?? '',
    signers.map(({ name }, at) => ({ authority: name, value: secretOf(at) })),
  );
  const named = { votes: countedOf(votes, signers), reveals: countedOf(reveals, signers), shared };
  return { votes, reveals, named };
}
