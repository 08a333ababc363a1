import {
  type Consensus,
  type ConsensusRefusal,
  decodeConsensus,
  maxParametersLength,
  type Trust,
  verifyConsensus,
  verifyParameters,
} from '@postern/protocol/consensus';
import type { Geometry } from '@postern/protocol/packet';
import { shuffled } from '@postern/protocol/primitives';
import { type AskOptions, ask } from '../ask.ts';
import type { Seen } from './cache.ts';
import { type Certificates, fetchCertificates } from './certificates.ts';
import { compareClocks, type HeardClocks } from './clocks.ts';
import { type Failure, reasonOf } from './errors.ts';
import { followAll, lastOf, type Source, type Taken } from './follow.ts';
import { type Notes, offersOf, textOf, type Wanted } from './offer.ts';
import { mirrorTimeoutMs, type Place, type Places, placesOf } from './places.ts';
import { aheadOf, describeSkew, isOff, type Reading } from './skew.ts';

/** A consensus that the configured authorities signed, and that was valid when it was verified. */
export interface VerifiedConsensus {
  readonly consensus: Consensus;
  readonly geometry: Geometry;
  /** Hex SHA-256 of the signed text. */
  readonly digest: string;
}

/** A verified consensus with its own bytes. */
export interface Held extends VerifiedConsensus {
  readonly signed: string;
}

/** Whom to ask, and whom to believe. */
export interface Directory extends AskOptions, Places, Omit<Trust, 'signingKeys'> {
  readonly certificates: Certificates;
}

/** The trust of this moment: with the signing keys of which there are certificates here. */
export function trustOf({ authorities, threshold, certificates }: Directory): Trust {
  return { authorities, threshold, signingKeys: certificates.keys() };
}

export interface Collect {
  /** Milliseconds. */
  readonly nowMs: () => number;
  readonly seen: Seen | undefined;
  /** What is valid here already. */
  readonly held: Held | undefined;
  /** What was fetched ahead, of a later epoch than that of `seen`: it is held against what is found. */
  readonly ahead: Held | undefined;
  /** What is here and would be valid at another time. */
  readonly untimely: Untimely | undefined;
}

/** A consensus that holds, but for the time. */
export interface Untimely {
  readonly url: string;
  readonly reason: 'not-yet-valid' | 'expired';
  readonly detail: string;
  readonly signed: string;
}

/** The newest of what was found; absent when there was nothing of use. */
export interface Collected<T> {
  readonly found: T | undefined;
  readonly failures: readonly Failure[];
}

/** The newest of what was found, and what the URLs' clocks say of the one here: how far they are ahead, milliseconds, where most agree. */
export interface CollectedConsensus<T> extends Collected<T> {
  readonly aheadMs: number | undefined;
}

/**
 * Asks one place after the other, in random order, until one gives a consensus that is fresh. A valid one that no longer is
 * fresh is kept in case there is nothing newer. A fork ends the search: nothing that comes after could be trusted. What was found is then
 * followed from what was seen, each document from the one before it.
 */
export async function collectConsensus(
  directory: Directory,
  { nowMs, seen, held, ahead, untimely: here }: Collect,
): Promise<CollectedConsensus<Taken>> {
  const notes = noNotes();
  const { failures } = notes;
  const now = (): number => Math.floor(nowMs() / 1_000);
  const untimely: Pick<Untimely, 'url' | 'signed'>[] = [];
  const accepted: Source[] = [
    { url: 'the one at hand', document: held },
    { url: 'the one fetched ahead', document: ahead },
  ].flatMap(({ url, document }) => (document === undefined ? [] : { url, document, fetched: false }));
  for (const place of placesOf(directory, held?.consensus.nodes ?? [])) {
    const { url } = place;
    const found = await firstThatHolds(directory, place, { held, nowMs }, notes, (signed, trust) =>
      verifyConsensus(signed, { ...trust, now: now(), last: lastOf(seen) }),
    );
    if (found === undefined) continue;
    if (found.kind === 'refused') {
      if (found.reason === 'fork')
        return { found: undefined, failures, aheadMs: aheadOf(notes.readings, directory.urls.length) };
      if (isOfTime(found.reason) && !place.isMirror) untimely.push({ url, signed: found.signed });
      continue;
    }
    accepted.push({ url, document: found.document, fetched: true });
    if (now() < found.document.consensus.freshUntil) break;
  }
  const followed = await followAll(directory, seen, accepted);
  const { found } = followed;
  const all = [...failures, ...followed.failures];
  const aheadMs = await compareClocks(directory, notes, nowMs);
  if (found === undefined && here !== undefined) {
    untimely.push(here);
    all.push({ url: here.url, reason: reasonOf(here.reason), detail: here.detail });
  }
  if (found === undefined) all.unshift(...blameClock(directory, untimely, { aheadMs, now: now() }));
  return { found, failures: all, aheadMs };
}

/**
 * Asks for the consensus of the epoch after that of the one at hand, before it begins, until one URL gives it. It is verified as of that
 * epoch's start.
 */
export async function collectAhead(
  directory: Directory,
  held: Held,
  { nowMs, seen }: Pick<Collect, 'nowMs' | 'seen'>,
): Promise<CollectedConsensus<Held>> {
  const notes = noNotes();
  const { failures } = notes;
  let document: Held | undefined;
  const epoch = held.consensus.epoch + 1;
  const now = held.consensus.freshUntil;
  for (const place of placesOf(directory, held.consensus.nodes)) {
    const found = await firstThatHolds(directory, place, { held, nowMs, epoch }, notes, (signed, trust) =>
      verifyConsensus(signed, { ...trust, now, last: lastOf(seen) }),
    );
    if (found?.kind === 'refused' && found.reason === 'fork')
      return { found: undefined, failures, aheadMs: aheadOf(notes.readings, directory.urls.length) };
    if (found?.kind !== 'accepted' || found.document.consensus.epoch !== epoch) continue;
    document = found.document;
    break;
  }
  return { found: document, failures, aheadMs: await compareClocks(directory, notes, nowMs) };
}

/** What is noted in one round of asking. */
interface RoundNotes extends Notes, HeardClocks {
  readonly readings: Reading[];
  readonly byMirrors: Reading[];
  readonly asked: Set<string>;
}

function noNotes(): RoundNotes {
  return { failures: [], readings: [], byMirrors: [], asked: new Set() };
}

type Found =
  | { readonly kind: 'accepted'; readonly document: Held }
  | { readonly kind: 'refused'; readonly reason: ConsensusRefusal; readonly signed: string };

/** What one place gives, verified. Whatever is wrong with what a diff makes, the whole is asked for, but of a fork. */
async function firstThatHolds(
  directory: Directory,
  { url, isMirror }: Place,
  wanted: Wanted,
  notes: RoundNotes,
  verify: (signed: string, trust: Trust) => Verified,
): Promise<Found | undefined> {
  const asked = isMirror
    ? { ...directory, timeoutMs: Math.min(directory.timeoutMs, mirrorTimeoutMs) }
    : directory;
  const noted: Notes = isMirror ? { failures: [], readings: notes.byMirrors } : notes;
  notes.asked.add(url);
  for await (const { signed, byDiff } of offersOf(asked, url, wanted, noted)) {
    const verified = await verifyFrom(asked, url, (trust) => verify(signed, trust));
    if (verified.kind === 'consensus') {
      const { consensus, geometry, digest } = verified;
      return { kind: 'accepted', document: { consensus, geometry, digest, signed } };
    }
    const { reason, detail } = verified;
    if (byDiff && reason !== 'fork') continue;
    const { failures } = reason === 'fork' ? notes : noted;
    failures.push({ url, reason: reasonOf(reason), detail, documents: [signed] });
    return { kind: 'refused', reason, signed };
  }
  return undefined;
}

export function isOfTime(reason: ConsensusRefusal): reason is Untimely['reason'] {
  return reason === 'not-yet-valid' || reason === 'expired';
}

/**
 * What was refused for its time, and holds by the time of most URLs, shows that the clock here is wrong. One that has not begun and is for an
 * epoch after the next shows it by itself: authorities sign no earlier (spec agreement 2.1).
 */
function blameClock(
  directory: Directory,
  untimely: readonly Pick<Untimely, 'url' | 'signed'>[],
  { aheadMs, now }: { readonly aheadMs: number | undefined; readonly now: number },
): Failure[] {
  for (const { url, signed } of untimely) {
    const at = (time: number): ReturnType<typeof verifyConsensus> =>
      verifyConsensus(signed, { ...trustOf(directory), now: time });
    if (isOff(aheadMs) && at(now + Math.round(aheadMs / 1_000)).kind === 'consensus') {
      const detail = `the clock here is ${describeSkew(aheadMs)} those of most directories, by which its consensus holds`;
      return [{ url, reason: 'clock', detail }];
    }
    const begins = decodeConsensus(signed)?.consensus;
    if (begins === undefined || begins.validAfter - begins.epochSeconds <= now) continue;
    const least = (begins.validAfter - begins.epochSeconds - now) * 1_000;
    const detail = `the clock here is at least ${describeSkew(least)}: authorities have signed a consensus for ${new Date(begins.validAfter * 1_000).toISOString()}, and sign none so long before`;
    return [{ url, reason: 'clock', detail }];
  }
  return [];
}

/** What a node has to know before there is a consensus. */
export interface NetworkParameters {
  readonly epochSeconds: number;
  readonly meanDelayMs: number;
  readonly geometry: Geometry;
}

/** Asks for the signed parameters until one URL gives some that hold. */
export async function collectParameters(
  directory: Directory,
  now: () => number,
): Promise<Collected<NetworkParameters & { readonly signed: string }>> {
  const failures: Failure[] = [];
  for (const url of shuffled(directory.urls, directory.random)) {
    const answer = await ask(`${url}/v1/parameters`, { ...directory, maxBytes: maxParametersLength });
    const signed = textOf(answer, url, failures);
    if (signed === undefined) continue;
    const verified = await verifyFrom(directory, url, (trust) =>
      verifyParameters(signed, { ...trust, now: now() }),
    );
    if (verified.kind === 'refused') failures.push({ url, reason: verified.reason, detail: verified.detail });
    else {
      const { epochSeconds, meanDelayMs } = verified.parameters;
      return { found: { epochSeconds, meanDelayMs, geometry: verified.geometry, signed }, failures };
    }
  }
  return { found: undefined, failures };
}

/**
 * Verifies with the certificates at hand. If authorities seem to have signed with keys that are not known here, whoever serves the document is asked for
 * their certificates, once, and it is verified again.
 */
export async function verifyFrom<T extends Judged>(
  directory: Directory,
  url: string,
  verify: (trust: Trust) => T,
): Promise<T> {
  const verified = verify(trustOf(directory));
  if (verified.kind !== 'refused' || verified.uncertified === undefined) return verified;
  const why = await fetchCertificates(directory.certificates, url, directory);
  const again = verify(trustOf(directory));
  if (again.kind !== 'refused' || why === undefined) return again;
  return { ...again, detail: `${again.detail}; ${why}` };
}

type Verified = ReturnType<typeof verifyConsensus>;

type Judged =
  | { readonly kind: 'consensus' | 'parameters' }
  | { readonly kind: 'refused'; readonly detail: string; readonly uncertified?: readonly string[] };
