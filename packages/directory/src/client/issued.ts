import { maxConsensusLength, readIssued } from '@postern/protocol/consensus';
import { ask } from '../ask.ts';
import type { Sighting } from '../audit/proofs.ts';
import { type Directory, verifyFrom } from './collect.ts';
import { mirrorTimeoutMs, type Place } from './places.ts';

/** The consensus that one place has of an epoch, be it valid or not; undefined unless enough authorities have signed it. */
export async function fetchIssued(
  directory: Directory,
  { url, isMirror }: Place,
  epoch: number,
): Promise<Sighting | undefined> {
  const timeoutMs = isMirror ? Math.min(directory.timeoutMs, mirrorTimeoutMs) : directory.timeoutMs;
  const asked = { ...directory, timeoutMs };
  const answer = await ask(`${url}/v1/consensus/${epoch}`, { ...asked, maxBytes: maxConsensusLength });
  if (answer.kind !== 'answer' || answer.status !== 200) return undefined;
  const signed = answer.text;
  const read = await verifyFrom(asked, url, (trust) => readIssued(signed, trust));
  return read.kind === 'consensus' ? { url, signed, read } : undefined;
}
