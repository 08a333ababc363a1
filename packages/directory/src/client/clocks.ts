import { maxParametersLength } from '@postern/protocol/consensus';
import { shuffled } from '@postern/protocol/primitives';
import { ask } from '../ask.ts';
import type { Directory } from './collect.ts';
import { mirrorTimeoutMs } from './places.ts';
import { aheadOf, isOff, type Reading } from './skew.ts';

/** What was heard of clocks in one round of asking. */
export interface HeardClocks {
  /** Of URLs that are configured. */
  readonly readings: readonly Reading[];
  /** Of mirrors, which nobody has configured: they can have URLs asked, and count for nothing. */
  readonly byMirrors: readonly Reading[];
  /** URLs that were asked, whether they have told the time or not. */
  readonly asked: ReadonlySet<string>;
}

/**
 * How far most clocks are ahead of the one here, milliseconds, as `aheadOf` has it. A round ends with the first good answer: if a clock that was heard
 * in it is off, further URLs are asked for their time, until it is known what most say.
 */
export async function compareClocks(
  directory: Directory,
  { readings, byMirrors, asked }: HeardClocks,
  nowMs: () => number,
): Promise<number | undefined> {
  const all = [...readings];
  const settled = (): number | undefined => aheadOf(all, directory.urls.length);
  if (![...readings, ...byMirrors].some(({ aheadMs }) => isOff(aheadMs))) return settled();
  // whoever waits has a consensus already: one time for all that do not answer
  const endsMs = performance.now() + Math.min(directory.timeoutMs, mirrorTimeoutMs);
  for (const url of shuffled(directory.urls, directory.random)) {
    const timeoutMs = Math.ceil(endsMs - performance.now());
    if (settled() !== undefined || timeoutMs <= 0) break;
    if (asked.has(url)) continue;
    // what any reader may ask for, and the shortest of it
    const question = { ...directory, timeoutMs, maxBytes: maxParametersLength };
    const answer = await ask(`${url}/v1/parameters`, question);
    if (answer.kind === 'answer' && answer.date !== undefined)
      all.push({ url, aheadMs: answer.date - nowMs() });
  }
  return settled();
}
