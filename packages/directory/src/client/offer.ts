import { applyDiff, maxConsensusLength } from '@postern/protocol/consensus';
import { type Answer, ask } from '../ask.ts';
import type { Directory, Held } from './collect.ts';
import type { Failure } from './errors.ts';
import type { Reading } from './skew.ts';

/** What a URL has for a consensus, unverified. */
export interface Offer {
  readonly signed: string;
  /** Made by a diff: when it does not hold, the whole may. */
  readonly byDiff: boolean;
}

/** What is noted while URLs are asked. */
export interface Notes {
  readonly failures: Failure[];
  readonly readings: Reading[];
}

/** Which consensus is asked for: the newest, or that of an epoch. */
export interface Wanted {
  readonly epoch?: number;
  /** What is valid here already. */
  readonly held: Held | undefined;
  /** Milliseconds. */
  readonly nowMs: () => number;
}

/**
 * What one URL gives: what a diff makes of the one at hand, and, if more is asked for, the whole. Asks no further when it cannot answer.
 */
export async function* offersOf(
  directory: Directory,
  url: string,
  { epoch, held, nowMs }: Wanted,
  { failures, readings }: Notes,
): AsyncGenerator<Offer> {
  const path = `${url}/v1/consensus${epoch === undefined ? '' : `/${epoch}`}`;
  const question = { ...directory, maxBytes: maxConsensusLength };
  const note = (answer: Answer): void => {
    if (answer.kind === 'answer' && answer.date !== undefined)
      readings.push({ url, aheadMs: answer.date - nowMs() });
  };
  if (held !== undefined) {
    const answer = await ask(`${path}/diff/${held.digest}`, question);
    note(answer);
    if (answer.kind === 'unreachable' || (answer.kind === 'answer' && answer.status >= 500)) {
      textOf(answer, url, failures);
      return;
    }
    const isDiff = answer.kind === 'answer' && answer.status === 200;
    const signed = isDiff ? applyDiff(held.signed, answer.text) : undefined;
    if (signed !== undefined) yield { signed, byDiff: true };
  }
  const answer = await ask(path, question);
  note(answer);
  const signed = textOf(answer, url, failures);
  if (signed !== undefined) yield { signed, byDiff: false };
}

/** The text of an answer; what else it is becomes a failure. */
export function textOf(answer: Answer, url: string, failures: Failure[]): string | undefined {
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
  }
}
