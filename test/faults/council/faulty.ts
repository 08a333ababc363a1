import { parseNote } from '@postern/protocol/codec';
import { maxVoteLength, signVote, type Vote } from '@postern/protocol/consensus';
import type { Authority } from './authorities.ts';
import type { Meddle } from './meddler.ts';

/** Sends another vote to every second authority, and counts as if it were caught: it signs what the others sign. */
export function equivocating(of: Authority, authorities: readonly Authority[]): Meddle {
  const second = new Set(authorities.filter((_, at) => at % 2 === 1).map(({ name }) => name));
  return (to, path, body) => {
    const vote = path === '/v1/agreement/votes' ? ownIn(body, of) : undefined;
    if (vote === undefined || !second.has(to)) return body;
    const other = signVote({ ...vote, meanDelayMs: 999 }, of.signer);
    const headers = { 'content-type': 'text/plain' };
    fetch(`${of.url}${path}`, { method: 'POST', body: other, headers }).then(
      (answer) => answer.body?.cancel(),
      () => undefined,
    );
    return other;
  };
}

/** Never reveals what it has committed to. */
export function withholding(of: Authority): Meddle {
  return (_, path, body) =>
    path === '/v1/agreement/reveals' && ownIn(body, of) !== undefined ? undefined : body;
}

/** What an authority says itself, and not what it passes on. */
function ownIn(body: string, { name }: Authority): Vote | undefined {
  const note = parseNote(body, maxVoteLength);
  const value = JSON.parse(note?.text.split('\n')[1] ?? 'null') as Vote | null;
  return value?.authority === name && note?.signatures.length === 1 ? value : undefined;
}
