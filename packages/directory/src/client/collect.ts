import { createHash } from 'node:crypto';
import {
  type Consensus,
  maxConsensusLength,
  maxParametersLength,
  type Trust,
  verifyConsensus,
  verifyParameters,
} from '@postern/protocol/consensus';
import type { Geometry } from '@postern/protocol/packet';
import { shuffled } from '@postern/protocol/primitives';
import type { Random } from '@postern/runtime';
import { type Answer, type AskOptions, ask } from '../ask.ts';
import type { Seen } from './cache.ts';
import { type Certificates, fetchCertificates } from './certificates.ts';
import { type Failure, reasonOf } from './errors.ts';
import { followAll, lastOf, type Source, type Taken } from './follow.ts';

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
export interface Directory extends AskOptions, Omit<Trust, 'signingKeys'> {
  /** Without a slash at the end. */
  readonly urls: readonly string[];
  readonly random: Random;
  readonly certificates: Certificates;
}

/** The trust of this moment: with the signing keys of which there are certificates here. */
export function trustOf({ authorities, threshold, certificates }: Directory): Trust {
  return { authorities, threshold, signingKeys: certificates.keys() };
}

export interface Collect {
  /** Unix seconds. */
  readonly now: () => number;
  readonly seen: Seen | undefined;
  /** What is valid here already. */
  readonly held: Held | undefined;
}

/** The newest of what was found; absent when there was nothing of use. */
export interface Collected<T> {
  readonly found: T | undefined;
  readonly failures: readonly Failure[];
}

/**
 * Asks one URL after the other, in random order, until one gives a consensus that is fresh. A valid one that no longer is
 * fresh is kept in case there is nothing newer. A fork ends the search: nothing that comes after could be trusted. What was found is then
 * followed from what was seen, each document from the one before it.
 */
export async function collectConsensus(
  directory: Directory,
  { now, seen, held }: Collect,
): Promise<Collected<Taken>> {
  const failures: Failure[] = [];
  const accepted: Source[] =
    held === undefined ? [] : [{ url: 'the one at hand', document: held, fetched: false }];
  for (const url of shuffled(directory.urls, directory.random)) {
    const known = held === undefined ? undefined : createHash('sha256').update(held.signed).digest('hex');
    const answer = await ask(`${url}/v1/consensus`, { ...directory, maxBytes: maxConsensusLength, known });
    const signed = answer.kind === 'unchanged' ? held?.signed : textOf(answer, url, failures);
    if (signed === undefined) continue;
    const verified = await verifyFrom(directory, url, (trust) =>
      verifyConsensus(signed, { ...trust, now: now(), last: lastOf(seen) }),
    );
    if (verified.kind === 'refused') {
      failures.push({ url, reason: reasonOf(verified.reason), detail: verified.detail });
      if (verified.reason === 'fork') return { found: undefined, failures };
      continue;
    }
    const { consensus, geometry, digest } = verified;
    const document = { consensus, geometry, digest, signed };
    accepted.push({ url, document, fetched: true });
    if (now() < consensus.freshUntil) break;
  }
  const followed = await followAll(directory, seen, accepted);
  return { found: followed.found, failures: [...failures, ...followed.failures] };
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
): Promise<Collected<NetworkParameters>> {
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
      return { found: { epochSeconds, meanDelayMs, geometry: verified.geometry }, failures };
    }
  }
  return { found: undefined, failures };
}

/**
 * Verifies with the certificates at hand. If authorities seem to have signed with keys that are not known here, whoever serves the document is asked for
 * their certificates, once, and it is verified again.
 */
async function verifyFrom<T extends Verified>(
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

type Verified =
  | { readonly kind: 'consensus' | 'parameters' }
  | { readonly kind: 'refused'; readonly detail: string; readonly uncertified?: readonly string[] };

function textOf(answer: Answer, url: string, failures: Failure[]): string | undefined {
  switch (answer.kind) {
    case 'answer':
      if (answer.status === 200) return answer.text;
      if (answer.status === 503)
        failures.push({ url, reason: 'no-consensus', detail: 'has no consensus yet' });
      else failures.push({ url, reason: 'unreachable', detail: `answered ${answer.status}` });
      return undefined;
    case 'oversized':
      failures.push({ url, reason: 'oversized', detail: 'its answer is too long' });
      return undefined;
    case 'unreachable':
      failures.push({ url, reason: 'unreachable', detail: answer.why });
      return undefined;
    case 'unchanged':
      return undefined;
  }
}
