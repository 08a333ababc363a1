import { isRegistered } from '@postern/protocol/consensus';
import { shuffled } from '@postern/protocol/primitives';
import { z } from 'zod';
import { ask } from '../ask.ts';
import type { Directory, VerifiedConsensus } from './collect.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const shown = z.object({
  consensus: hash,
  id: hash,
  descriptor: hash,
  at: z.int().min(0),
  proof: z.array(hash).max(64),
});

/** Whether a URL shows that a node stood for a consensus, though that has no entry of it (spec consensus 10.8). */
export async function isCounted(
  directory: Directory,
  id: string,
  { consensus, digest }: VerifiedConsensus,
): Promise<boolean> {
  for (const url of shuffled(directory.urls, directory.random)) {
    const answer = await ask(`${url}/v1/registered/${id}`, { ...directory, maxBytes: 16_384 });
    if (
      answer.kind === 'answer' &&
      answer.status === 200 &&
      readShown(answer.text, id, digest, consensus.rest)
    )
      return true;
  }
  return false;
}

/** Whether an answer proves it. */
export function readShown(
  text: string,
  id: string,
  digest: string,
  rest: VerifiedConsensus['consensus']['rest'],
): boolean {
  const found = shown.safeParse(parsed(text)).data;
  if (found === undefined || found.id !== id || found.consensus !== digest) return false;
  return isRegistered({ id, digest: found.descriptor }, rest, found);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
